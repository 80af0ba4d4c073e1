use std::panic::{AssertUnwindSafe, catch_unwind};

use chapter::{measured, report};

use crate::{chapter as program, run};

#[test]
fn a_report_is_read_whatever_the_exit_code() {
    let output = run(&["fails", "--json", "-"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        report(&output).unwrap().lessons[0].name,
        "misbehaving/fails"
    );
}

#[test]
fn without_a_report_the_error_holds_what_the_program_said() {
    let error = report(&run(&["--tick", "soon"])).unwrap_err();
    let told = format!("{error:#}");
    assert!(
        told.contains("left no report") && told.contains("soon"),
        "{told}"
    );
}

#[test]
fn one_lesson_that_ran_is_measured_and_anything_else_panics_with_the_reason() {
    let lesson = measured(&mut program(&["keeps", "--virtual"]));
    assert_eq!(lesson.variants.len(), 1);
    for (arguments, why) in [
        (&["fails"][..], "the stove is cold"),
        (&["skips"], "it needs a server"),
        (&["keeps", "real", "--virtual"], "2 lessons"),
        (&["nonsense"], "left no report"),
    ] {
        let panic = catch_unwind(AssertUnwindSafe(|| measured(&mut program(arguments))));
        let told = panic.unwrap_err().downcast::<String>().unwrap();
        assert!(told.contains(why), "{arguments:?}: {told}");
    }
}
