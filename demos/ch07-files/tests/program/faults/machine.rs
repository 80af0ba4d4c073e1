//! What the machine refuses: rights, room, descriptors.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Output},
};

use chapter::Folder;

use super::{
    PROGRAM, assert_faults, assert_nothing_temporary, program, skipped, with_a_good_record,
};

/// Runs the program below a shell, as `"$0"`, with the folder as `"$1"`.
fn below(shell: &[&str], script: &str, folder: &Path) -> io::Result<Output> {
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).args(["-c", script, PROGRAM]);
    command.arg(folder).output()
}

/// The numeric user that has no rights but everybody's.
const NOBODY: u32 = 65_534;

/// The program for this folder, which becomes this user's, without the rights of root.
fn without_rights(folder: &Path) -> Command {
    let mut program = program(folder);
    if fs::metadata(folder).unwrap().uid() == 0 {
        program.uid(NOBODY).gid(NOBODY);
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    program
}

#[test]
fn a_record_that_may_not_be_read_is_named() {
    let folder = with_a_good_record();
    let record = folder.path().join("x.txt");
    fs::write(&record, "a").unwrap();
    fs::set_permissions(&record, Permissions::from_mode(0o0)).unwrap();
    match without_rights(folder.path()).output() {
        Err(error) => skipped(&format!("a record that may not be read: {error}")),
        Ok(output) => {
            let fault = ("x.txt", "not read: Permission denied");
            assert_faults(folder.path(), &output, &[fault]);
        }
    }
}

#[test]
fn a_folder_that_may_not_be_written_is_named_and_nothing_is_begun() {
    let folder = with_a_good_record();
    let mut program = without_rights(folder.path());
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    match program.output() {
        Err(error) => skipped(&format!("a folder that may not be written: {error}")),
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{told}");
            assert!(told.contains("\": Permission denied"), "{told}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
}

/// The longest file that this process may write is 64 or 128 KiB; which one depends on the shell's unit.
#[test]
fn a_write_that_fails_halfway_leaves_nothing() {
    let folder = with_a_good_record();
    fs::write(folder.path().join("x.txt"), "a".repeat(1 << 20)).unwrap();
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" faults --folder \"$1\"";
    let output = below(&["sh"], script, folder.path()).unwrap();
    let fault = ("x.txt", "not written: File too large");
    assert_faults(folder.path(), &output, &[fault]);
    // Counted while the batch is still there, whose end takes its folder of parts along.
    let table = String::from_utf8_lossy(&output.stdout);
    let mut rows = table.lines().map(str::split_whitespace);
    let expected = "2 1 0 your records"; // outcomes, failed, parts left
    assert!(rows.any(|row| row.eq(expected.split(' '))), "{table}");
}

/// In a mount namespace of its own, where a user may mount a small file system; it is gone with its last process.
#[test]
fn on_a_full_disk_what_needs_no_room_is_written() {
    let folder = Folder::temporary().unwrap();
    let script = "mount -t tmpfs -o size=64k none \"$1\" || exit 77; cd \"$1\"
        for n in 1 2 3; do echo text >$n.txt; done; : >empty.txt
        cat /dev/zero >filler 2>&-
        \"$0\" faults --folder .; echo \"exit code $?\" >&2; ls >&2";
    let output = match below(&["unshare", "-rm", "sh"], script, folder.path()) {
        Ok(output) if output.status.success() => output,
        other => return skipped(&format!("a full disk; no mount: {other:?}")),
    };
    let told = String::from_utf8_lossy(&output.stderr);
    let after = "exit code 1\n1.txt\n2.txt\n3.txt\nempty.txt\nempty.upper\nfiller\n";
    assert!(told.ends_with(after), "{told}");
    let full = told.matches("not written: No space left");
    assert_eq!(full.count(), 3, "{told}");
}

/// The program itself has 15 open, a folder for its parts among them.
#[test]
fn with_20_descriptors_200_records_are_all_written() {
    let folder = with_a_good_record();
    for n in 0..199 {
        fs::write(folder.path().join(format!("{n}.txt")), "a").unwrap();
    }
    let script = "ulimit -n 20; exec \"$0\" faults --folder \"$1\"";
    let output = below(&["sh"], script, folder.path()).unwrap();
    assert_faults(folder.path(), &output, &[]);
    for n in 0..199 {
        let result = folder.path().join(format!("{n}.upper"));
        assert_eq!(fs::read(result).unwrap(), b"A");
    }
}

/// That is room for one file, and four are read at once.
#[test]
fn with_16_descriptors_each_of_200_records_is_written_or_named() {
    let folder = with_a_good_record();
    for n in 0..199 {
        fs::write(folder.path().join(format!("{n}.txt")), "a").unwrap();
    }
    let script = "ulimit -n 16; exec \"$0\" faults --folder \"$1\"";
    let output = below(&["sh"], script, folder.path()).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for n in 0..199 {
        let record = folder.path().join(format!("{n}.txt"));
        match fs::read(record.with_extension("upper")) {
            Ok(result) => assert_eq!(result, b"A"),
            Err(_) => assert!(told.contains(&format!("{record:?}: not")), "{n}: {told}"),
        }
    }
    assert!(told.contains("Too many open files"), "{told}");
    assert_nothing_temporary(folder.path());
}
