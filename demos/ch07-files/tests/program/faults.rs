//! What a folder can do to a batch, one fault after another, through the chapter's own program: `faults --folder`
//! writes the good records, names each other one with its path, leaves no temporary file, and exits with 1.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test says no by panicking, its helpers too"
)]

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    process::{Command, Output},
};

use chapter::Folder;

mod interrupted;
mod machine;
mod meanwhile;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ch07-files");

fn program(folder: &Path) -> Command {
    let mut program = Command::new(PROGRAM);
    program.args(["faults", "--folder"]).arg(folder);
    program
}

/// A folder with one good record; what else is in it is up to the test.
fn with_a_good_record() -> Folder {
    let folder = Folder::temporary().unwrap();
    fs::write(folder.path().join("good.txt"), "stra\u{df}e\n").unwrap();
    folder
}

/// Whatever else happened: the good record is written, each of these faults is named with its record, there are no
/// others, and nothing temporary stays.
#[track_caller]
fn assert_faults(folder: &Path, output: &Output, faults: &[(&str, &str)]) {
    let told = String::from_utf8_lossy(&output.stderr);
    let expected = i32::from(!faults.is_empty());
    assert_eq!(output.status.code(), Some(expected), "{told}");
    assert_eq!(told.lines().skip(1).count(), faults.len(), "{told}");
    for (record, fault) in faults {
        let path = fs::canonicalize(folder).unwrap().join(record);
        let named = format!("\"{}\": ", path.display());
        let line = told.lines().find(|line| line.contains(&named));
        let line = line.unwrap_or_else(|| panic!("{record} isn't named: {told}"));
        assert!(line.contains(fault), "{record}: {line}");
    }
    let result = fs::read_to_string(folder.join("good.upper")).unwrap();
    assert_eq!(result, "STRASSE\n");
    assert_nothing_temporary(folder);
}

#[track_caller]
fn assert_nothing_temporary(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_string_lossy().starts_with("waitwise"), "{name:?}");
    }
}

#[track_caller]
fn assert_fault(folder: &Folder, record: &str, fault: &str) {
    let output = program(folder.path()).output().unwrap();
    assert_faults(folder.path(), &output, &[(record, fault)]);
    let result = folder.path().join(record).with_extension("upper");
    assert!(!result.is_file(), "{record}");
}

/// libtest swallows what a passing test prints; this it doesn't.
fn skipped(why: &str) {
    let why = format!("skipped: {why}\n");
    io::stderr().write_all(why.as_bytes()).unwrap();
}

#[test]
fn a_folder_that_is_none_is_named() {
    let folder = with_a_good_record();
    for (name, fault) in [("gone", "No such file"), ("good.txt", "Not a directory")] {
        let output = program(&folder.path().join(name)).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&format!("{name}\": {fault}")), "{told}");
    }
}

#[test]
fn without_a_fault_it_exits_with_0_and_an_empty_record_has_an_empty_result() {
    let folder = with_a_good_record();
    fs::write(folder.path().join("empty.txt"), "").unwrap();
    fs::write(folder.path().join("no record"), "").unwrap();
    // A second run finds the results of the first, and replaces them.
    for _ in 0..2 {
        let output = program(folder.path()).output().unwrap();
        assert_faults(folder.path(), &output, &[]);
        assert_eq!(fs::read(folder.path().join("empty.upper")).unwrap(), b"");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
    }
}

/// To open the pipe would wait for a writer.
#[test]
fn a_folder_or_a_pipe_where_a_file_should_be_is_refused() {
    let folder = with_a_good_record();
    fs::create_dir(folder.path().join("x.txt")).unwrap();
    assert_fault(&folder, "x.txt", "not a file");
    let folder = with_a_good_record();
    let pipe = folder.path().join("x.txt");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    assert_fault(&folder, "x.txt", "not a file");
}

/// A record that was removed since it was listed is the same as a link to nothing: a name that leads nowhere.
#[test]
fn a_link_to_nothing_or_to_itself_is_not_read() {
    for (target, fault) in [("gone", "No such file"), ("x.txt", "Too many levels")] {
        let folder = with_a_good_record();
        symlink(target, folder.path().join("x.txt")).unwrap();
        assert_fault(&folder, "x.txt", &format!("not read: {fault}"));
    }
}

#[test]
fn a_link_may_not_lead_out_of_the_folder() {
    let outside = with_a_good_record();
    let folder = with_a_good_record();
    let path = folder.path();
    symlink(outside.path().join("good.txt"), path.join("x.txt")).unwrap();
    symlink("/proc/self/mem", path.join("y.txt")).unwrap();
    symlink("good.txt", path.join("z.txt")).unwrap();
    let output = program(path).output().unwrap();
    let fault = "leads out";
    assert_faults(path, &output, &[("x.txt", fault), ("y.txt", fault)]);
    assert!(!path.join("x.upper").exists());
    assert!(path.join("z.upper").exists());
}

#[test]
fn a_name_that_is_too_long_for_its_result_is_named() {
    let folder = with_a_good_record();
    let name = format!("{}.txt", "x".repeat(251)); // 255, and `.upper` is two longer
    fs::write(folder.path().join(&name), "a").unwrap();
    let output = program(folder.path()).output().unwrap();
    let fault = (name.as_str(), "not written: File name too long");
    assert_faults(folder.path(), &output, &[fault]);
}

#[test]
fn a_name_that_is_not_utf_8_is_no_fault_and_bytes_that_are_not_are_one() {
    let folder = with_a_good_record();
    let name = |bytes| folder.path().join(OsStr::from_bytes(bytes));
    if fs::write(name(b"caf\xe9.txt"), "a").is_err() {
        return skipped("a name that isn't UTF-8; this file system takes none");
    }
    fs::write(name(b"bad\xe9.txt"), b"caf\xe9").unwrap();
    let output = program(folder.path()).output().unwrap();
    assert_faults(folder.path(), &output, &[("bad\\xE9.txt", "not text: ")]);
    assert_eq!(fs::read(name(b"caf\xe9.upper")).unwrap(), b"A");
}

#[test]
fn a_record_without_end_is_too_long() {
    let folder = with_a_good_record();
    let file = File::create(folder.path().join("x.txt")).unwrap();
    file.set_len(1 << 40).unwrap();
    assert_fault(&folder, "x.txt", "too long");
}

#[test]
fn a_result_whose_name_is_taken_by_a_folder_leaves_the_folder() {
    let folder = with_a_good_record();
    fs::write(folder.path().join("x.txt"), "a").unwrap();
    fs::create_dir(folder.path().join("x.upper")).unwrap();
    assert_fault(&folder, "x.txt", "not written: Is a directory");
}

#[test]
fn two_records_with_one_name_for_the_result_are_both_refused() {
    let folder = with_a_good_record();
    let path = folder.path();
    fs::write(path.join("x.txt"), "a").unwrap();
    fs::write(path.join("x.TXT"), "b").unwrap();
    if fs::read(path.join("x.txt")).unwrap() == b"b" {
        return skipped("x.txt and x.TXT; here they are one file");
    }
    let output = program(path).output().unwrap();
    let fault = "another record has the same result name";
    assert_faults(path, &output, &[("x.txt", fault), ("x.TXT", fault)]);
    assert!(!path.join("x.upper").exists());
}
