//! The launcher's binary, started in a fixture workspace with a stand-in for cargo.
#![cfg(unix)]

mod fixture;
mod new;

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, process::Stdio};

use fixture::{Fixture, Run};

#[test]
fn hands_everything_on_in_its_order() {
    let f = Fixture::new("hand-on");
    for (line, handed) in [
        ("kitchen", "ch01-kitchen:"),
        ("1 --list", "ch01-kitchen: --list"),
        (
            "kitchen boil --check fry-eggs -n 3",
            "ch01-kitchen: boil --check fry-eggs -n 3",
        ),
        ("--virtual kitchen", "ch01-kitchen: --virtual"),
        (
            "--tick 1s kitchen fry_eggs",
            "ch01-kitchen: --tick 1s fry-eggs",
        ),
        (
            "--tick=1s -n3 kitchen/boil",
            "ch01-kitchen: --tick=1s -n3 boil",
        ),
        (
            "fry-eggs --json - --check",
            "ch01-kitchen: fry-eggs --json - --check",
        ),
        ("asyncio.Gather --source", "ch01-kitchen: fry-eggs --source"),
        ("bank --limit 5 lock-it", "ch02-bank: --limit 5 lock-it"),
        ("bank --help", "ch02-bank: --help"),
        ("--version bank", "ch02-bank: --version"),
        ("bank -- boil", "ch02-bank: -- boil"),
        ("bank bank/boil", "ch02-bank: boil"),
    ] {
        let run = f.run(line);
        assert_eq!(run.handed(), handed, "cargo demo {line}");
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn blanks_and_empty_arguments_stay_what_they_are() {
    let f = Fixture::new("blanks");
    let run = Run::of(
        f.launcher()
            .args(["kitchen", "--json", "my file.json", "--slow="]),
    );
    assert!(
        run.stdout.contains("\narg my file.json\narg --slow=\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn cargo_is_told_the_manifest_and_the_reader_keeps_the_folder() {
    let f = Fixture::new("cargo");
    let run = f.run("kitchen boil");
    let manifest = f.root.join("Cargo.toml");
    let call = format!(
        "run --manifest-path {} -p ch01-kitchen --quiet -- boil",
        manifest.display()
    );
    assert_eq!(run.calls(), [call]);
    let folder = fs::canonicalize(f.root.join("demos")).unwrap();
    assert!(
        run.stdout.contains(&format!("cwd {}\n", folder.display())),
        "{}",
        run.stdout
    );
}

#[test]
fn a_stale_chapter_is_announced_and_built_first() {
    let f = Fixture::new("stale");
    fs::remove_file(f.root.join("target/debug/ch02-bank")).unwrap();
    let run = f.run("bank");
    assert_eq!(
        run.stderr,
        "building ch02-bank (first build of this chapter) …\n"
    );
    let calls = run.calls();
    assert!(calls[0].starts_with("build ") && calls[0].ends_with("-p ch02-bank --quiet"));
    assert!(calls[1].starts_with("run "), "{calls:?}");

    // The release build is another binary, in the folder beside.
    let run = f.run("kitchen --release boil");
    assert!(
        run.stderr.contains("first optimised build"),
        "{}",
        run.stderr
    );
    let calls = run.calls();
    assert!(
        calls[0].ends_with("-p ch01-kitchen --release --quiet"),
        "{calls:?}"
    );
    assert!(
        calls[1].ends_with("-p ch01-kitchen --release --quiet -- boil"),
        "{calls:?}"
    );
}

#[test]
fn a_build_that_fails_is_exit_1_and_nothing_runs() {
    let f = Fixture::new("build-fails");
    fs::remove_file(f.root.join("target/debug/ch02-bank")).unwrap();
    f.write("exit-build", "101");
    let run = f.run("bank");
    assert_eq!(run.code, Some(1));
    assert_eq!(run.calls().len(), 1);
    assert!(
        run.stderr.contains("error: ch02-bank can't be built\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_exit_code_is_the_chapters() {
    let f = Fixture::new("codes");
    for code in ["0", "1", "2", "130", "143"] {
        f.write("exit-ch01-kitchen", code);
        assert_eq!(f.run("kitchen").code, code.parse().ok());
    }
}

#[test]
fn all_goes_on_after_a_failure_and_keeps_the_highest_code() {
    let f = Fixture::new("all");
    for (first, second, code) in [
        ("0", "0", 0),
        ("1", "0", 1),
        ("2", "1", 2),
        ("101", "0", 1),
        ("kill9", "2", 137),
    ] {
        f.write("exit-ch01-kitchen", first);
        f.write("exit-ch02-bank", second);
        let run = f.run("--virtual --all --tick 1s");
        assert_eq!(run.code, Some(code), "{first} {second}");
        let calls = run.calls();
        assert_eq!(calls.len(), 2);
        assert!(calls[0].ends_with("-p ch01-kitchen --quiet -- --virtual --tick 1s"));
        assert!(calls[1].ends_with("-p ch02-bank --quiet -- --virtual --tick 1s"));
        assert!(run.stdout.starts_with("kitchen · pots\n"), "{}", run.stdout);
    }
}

#[test]
fn all_stops_where_somebody_said_stop() {
    let f = Fixture::new("all-stops");
    for (how, code) in [("130", 130), ("143", 143), ("kill2", 130), ("kill15", 143)] {
        f.write("exit-ch01-kitchen", how);
        let run = f.run("--all");
        assert_eq!((run.code, run.calls().len()), (Some(code), 1), "{how}");
    }
}

#[test]
fn usage_errors_are_one_error_line_with_a_way_out() {
    let f = Fixture::new("usage");
    for (line, message) in [
        (
            "--virtual",
            "error: --virtual: which chapter?\n       name a chapter (cargo demo kitchen --virtual) or say --all\n",
        ),
        ("--release", "error: --release: which chapter?\n"),
        (
            "gahter",
            "error: nothing here is called `gahter`; near: gather\n       for instance: cargo demo gather\n",
        ),
        (
            "kitchen boli",
            "error: kitchen has no lesson `boli`; near: boil\n       for instance: cargo demo kitchen boil\n",
        ),
        (
            "kitchen --check lock-it",
            "in another chapter: cargo demo bank lock-it\n",
        ),
        ("kitchen bank", "one chapter a run"),
        (
            "--all kitchen",
            "error: --all is every chapter, and `kitchen` is a part\n",
        ),
        ("--all --json out.json", "error: --all --json: one file"),
        ("--trace=out.json --all", "error: --all --trace: one file"),
    ] {
        let run = f.run(line);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (Some(2), ""),
            "cargo demo {line}"
        );
        assert!(
            run.stderr.contains(message),
            "cargo demo {line}: {}",
            run.stderr
        );
        assert_eq!(run.stderr.matches("error: ").count(), 1);
    }
}

#[test]
fn several_hits_are_listed() {
    let f = Fixture::new("several");
    let run = f.run("boil --virtual");
    assert_eq!((run.code, run.stderr.as_str()), (Some(2), ""));
    assert_eq!(
        run.stdout,
        "boil → kitchen/boil, bank/boil\n\n  kitchen/boil   boiling water\n  bank/boil      anger\n\n\
         which one? for instance: cargo demo kitchen/boil\n"
    );
}

#[test]
fn alone_it_shows_the_contents_in_the_locales_letters() {
    let f = Fixture::new("contents");
    let run = f.run("");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(
        run.stdout.starts_with("waitwise · async Rust"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("  kitchen      pots   2 lessons\n"),
        "{}",
        run.stdout
    );
    let run = Run::of(f.launcher().env("LC_ALL", "C"));
    assert!(run.stdout.is_ascii() && run.stdout.starts_with("waitwise - async"));
    assert!(f.run("--help").stdout.contains("cargo demo CHAPTER/LESSON"));
    assert_eq!(
        f.run("-V").stdout,
        concat!("waitwise ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn an_argument_that_is_no_text_is_refused() {
    let f = Fixture::new("utf8");
    let mut launcher = f.launcher();
    let run = Run::of(launcher.args([OsStr::new("kitchen"), OsStr::from_bytes(b"\xff")]));
    assert_eq!(run.code, Some(2));
    assert!(
        run.stderr
            .starts_with("error: argument 2 is not UTF-8: \"\\xFF\"\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_reader_who_left_ends_it_quietly() {
    let f = Fixture::new("pipe");
    for line in ["", "boil", "--all"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut launcher = f.launcher();
        let run = Run::of(
            launcher
                .args(line.split_whitespace())
                .stdout(Stdio::from(writer)),
        );
        let code = if line == "boil" { 2 } else { 0 };
        assert_eq!(
            (run.code, run.stderr.as_str()),
            (Some(code), ""),
            "cargo demo {line}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_exit_1_with_its_reason() {
    let f = Fixture::new("full");
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let run = Run::of(f.launcher().stdout(Stdio::from(full)));
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr
            .starts_with("error: cannot write to stdout: No space"),
        "{}",
        run.stderr
    );
}
