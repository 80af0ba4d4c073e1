//! Temporary folders: which are removed when a process is killed, and which stay.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, chown, symlink},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use chapter::Folder;

/// A process that does this, with `within` as its folder for temporary files. It ends when its stdin is closed.
fn worker(name: &str, within: &Path) -> Child {
    crate::chapter(&["worker-of-a-lesson", name])
        .env("TMPDIR", within)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// One that has a folder and waits.
fn with_a_folder(within: &Path) -> (Child, PathBuf) {
    let mut worker = worker("keeps_a_folder", within);
    let mut path = String::new();
    BufReader::new(worker.stdout.take().unwrap())
        .read_line(&mut path)
        .unwrap();
    (worker, path.trim_end().into())
}

fn kill(mut worker: Child) {
    worker.kill().unwrap();
    worker.wait().unwrap();
}

#[test]
fn the_folder_of_a_killed_process_goes_with_the_next_one_and_that_of_a_living_one_stays() {
    let place = Folder::temporary().unwrap();
    let (killed, left) = with_a_folder(place.path());
    kill(killed);
    assert!(left.join("shelf/page").exists(), "a kill leaves it");

    let (living, kept) = with_a_folder(place.path());
    assert!(!left.exists());
    let next = Folder::within(place.path()).unwrap();
    assert!(kept.join("shelf/page").exists());

    kill(living);
    drop(next);
    drop(Folder::within(place.path()).unwrap());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_tmpdir_in_which_no_folder_can_be_made_is_named_with_the_way_out() {
    let place = Folder::temporary().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let output = crate::chapter(&["blocks"])
        .env("TMPDIR", &file)
        .output()
        .unwrap();
    let told = crate::stderr(&output);
    let named = format!("no folder can be made in {}: ", file.display());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told.contains(&named) && told.contains("set TMPDIR to"),
        "{told}"
    );
}

#[test]
fn only_folders_of_this_name_and_this_user_are_removed() {
    let place = Folder::temporary().unwrap();
    let path = |name| place.path().join(name);
    fs::create_dir(path("waitwise-1-0")).unwrap();
    for other in [
        "waitwise-1",
        "waitwise-1-",
        "waitwise-a-1",
        "waitwise-1-2-3",
        "letters",
    ] {
        fs::create_dir(path(other)).unwrap();
    }
    fs::write(path("waitwise-1-4"), "a file").unwrap();
    symlink("letters", path("waitwise-1-5")).unwrap();
    let mut expected = 7;
    if fs::metadata(place.path()).unwrap().uid() == 0 {
        fs::create_dir(path("waitwise-1-6")).unwrap();
        chown(path("waitwise-1-6"), Some(65_534), None).unwrap();
        expected += 1;
    } else {
        let why = b"skipped: another user's folder; only root can make one\n";
        std::io::stderr().write_all(why).unwrap();
    }
    drop(Folder::within(place.path()).unwrap());
    assert!(!path("waitwise-1-0").exists());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), expected);
}

#[test]
fn processes_that_make_folders_in_one_place_never_lose_one() {
    let place = Folder::temporary().unwrap();
    let workers: Vec<_> = (0..3)
        .map(|_| worker("makes_folders", place.path()))
        .collect();
    for mut worker in workers {
        // Kept, since the end of its stdin ends a worker, and `wait` closes it.
        let _stdin = worker.stdin.take();
        assert!(worker.wait().unwrap().success());
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}
