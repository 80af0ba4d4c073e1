//! Cuts the executor out of its lesson, so that it can be compiled without the lesson: as it stands, under shuttle, and
//! under shuttle with a defect.

use std::{env, fs, path::Path};

const LESSON: &str = "../../demos/ch10-runtime/src/mini_executor.rs";
const BEFORE_THE_POLL: &str = "task.queued.swap(false, atomic::Ordering::AcqRel);";
const POLL: &str = "let polled = work.as_mut().poll(&mut Context::from_waker(&waker));";

fn main() {
    println!("cargo::rerun-if-changed={LESSON}");
    let lesson = fs::read_to_string(LESSON).expect("the lesson is there");
    let begin = lesson.find("\nmod executor {\n").expect("it has a module");
    let module = &lesson[begin..];
    let end = module.find("\n}\n").expect("the module ends") + "\n}\n".len();
    let module = &module[..end];

    let shuttle = replaced(module, "use std::sync::{", "use shuttle::sync::{");
    // A wake that comes during the poll is taken for one that came before it, and is dropped.
    let defect = replaced(&shuttle, BEFORE_THE_POLL, "");
    let defect = replaced(&defect, POLL, &format!("{POLL} {BEFORE_THE_POLL}"));

    let folder = env::var_os("OUT_DIR").expect("cargo says where");
    for (name, text) in [
        ("executor.rs", module),
        ("executor_under_shuttle.rs", &shuttle),
        ("executor_with_a_defect.rs", &defect),
    ] {
        fs::write(Path::new(&folder).join(name), text).expect("the folder can be written to");
    }
}

/// `from` has to be there once: otherwise the lesson has changed, and this must follow.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}
