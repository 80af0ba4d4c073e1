//! `download --output FILE`: what is there after a signal, and after an error.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::ExitStatusExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use timing::report::Value;
use web::Folder;

const SIZE: u64 = 8 << 20;

/// `FILE`, in a folder of its own.
struct Target {
    folder: Folder,
    file: PathBuf,
}

impl Target {
    fn new() -> Self {
        let folder = Folder::temporary().unwrap();
        let file = folder.path().join("page");
        Self { folder, file }
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("page.part")
    }

    /// The names of all files in the folder.
    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let name = |file: fs::DirEntry| file.file_name().into_string().unwrap();
        let mut names: Vec<String> = files.map(|file| name(file.unwrap())).collect();
        names.sort();
        names
    }
}

fn download(file: &Path, tick: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ch06-http"));
    command.args(["download", "--tick", tick, "--json", "-", "--output"]);
    command
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The server sends the page over half a second.
fn quickly(file: &Path) -> Output {
    download(file, "10ms").output().unwrap()
}

/// What a run that went well has counted.
fn bytes(output: &Output, what: &str) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let report = chapter::report(output).unwrap();
    report.lessons[0].variants[0].count(what).clone()
}

/// What a run that failed said.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until some of the page is there; a child that ends before is a failure.
fn until_some_is_there(child: &mut Child, part: &Path) {
    while fs::metadata(part).map_or(0, |part| part.len()) == 0 {
        assert_eq!(child.try_wait().unwrap(), None, "it ended");
        #[expect(
            clippy::disallowed_methods,
            reason = "no loop here that it could block"
        )]
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn after_a_signal_the_next_run_gets_the_rest() {
    let whole = Target::new();
    assert_eq!(bytes(&quickly(&whole.file), "received"), SIZE);
    assert_eq!(whole.files(), ["page"]);

    for (signal, code) in [("INT", Some(130)), ("TERM", Some(143)), ("KILL", None)] {
        let target = Target::new();
        // Over a minute, so the signal comes before the end.
        let mut child = download(&target.file, "1200ms").spawn().unwrap();
        until_some_is_there(&mut child, &target.part());
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.unwrap().success());
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), code, "{signal}");
        assert_eq!(ended.signal().is_some(), code.is_none(), "{signal}");
        assert_eq!(target.files(), ["page.part", "page.part.etag"], "{signal}");

        let before = fs::metadata(target.part()).unwrap().len();
        assert!(0 < before && before < SIZE, "{signal}: {before}");
        let resumed = quickly(&target.file);
        assert_eq!(bytes(&resumed, "there before"), before, "{signal}");
        assert_eq!(bytes(&resumed, "received"), SIZE - before, "{signal}");
        assert_eq!(target.files(), ["page"], "{signal}");
        let same = fs::read(&target.file).unwrap() == fs::read(&whole.file).unwrap();
        assert!(same, "{signal}");
    }
}

#[test]
fn killed_before_the_last_step_nothing_is_received_again() {
    let target = Target::new();
    quickly(&target.file);
    fs::rename(&target.file, target.part()).unwrap();
    assert_eq!(bytes(&quickly(&target.file), "received"), 0);
    assert_eq!(target.files(), ["page"]);
}

#[test]
fn what_is_not_the_page_is_found_and_removed_and_the_next_run_begins_again() {
    let target = Target::new();
    fs::write(target.part(), "not of this page").unwrap();
    let told = refused(&quickly(&target.file));
    assert!(told.contains("its hash isn't the page's"), "{told}");
    assert!(target.files().is_empty());
    assert_eq!(bytes(&quickly(&target.file), "received"), SIZE);
}

#[test]
fn an_existing_file_is_left_alone() {
    let target = Target::new();
    fs::write(&target.file, "mine").unwrap();
    let told = refused(&quickly(&target.file));
    let name = target.file.to_str().unwrap();
    assert!(
        told.contains(name) && told.contains("exists already"),
        "{told}"
    );
    assert_eq!(fs::read(&target.file).unwrap(), b"mine");
    assert_eq!(target.files(), ["page"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let target = Target::new();
    let told = refused(&quickly(&target.folder.path().join("none/page")));
    assert!(told.contains("none/page.part: No such file"), "{told}");

    let closed = fs::Permissions::from_mode(0o555);
    fs::set_permissions(target.folder.path(), closed).unwrap();
    if fs::write(target.folder.path().join("probe"), "").is_ok() {
        use std::io::Write;
        let why = "skipped: a folder without the right to write; root may write everywhere\n";
        std::io::stderr().write_all(why.as_bytes()).unwrap();
        return;
    }
    let told = refused(&quickly(&target.file));
    assert!(told.contains("page.part: Permission denied"), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_nothing_has_the_files_name() {
    let target = Target::new();
    symlink("/dev/full", target.part()).unwrap();
    let told = refused(&quickly(&target.file));
    assert!(
        told.contains("page.part: No space left on device"),
        "{told}"
    );
    assert!(!target.file.exists());
}

#[test]
fn a_second_process_is_refused() {
    let target = Target::new();
    let part = fs::File::create(target.part()).unwrap();
    part.lock().unwrap();
    let told = refused(&quickly(&target.file));
    assert!(told.contains("another process is writing"), "{told}");
}

#[test]
fn in_a_pipe_there_is_no_bar() {
    let target = Target::new();
    let output = quickly(&target.file);
    assert_eq!(bytes(&output, "received"), SIZE);
    let told = [output.stdout, output.stderr].concat();
    assert!(!told.contains(&b'\r') && !told.contains(&0x1b));
}
