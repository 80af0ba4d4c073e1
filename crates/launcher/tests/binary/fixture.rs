//! A small workspace in a temporary folder, with a launcher and a cargo of its own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Stands in for cargo: says how it was called, and ends as the fixture's files tell it to. It stands ready in the
/// repository because a file that was only just written can't be started while any thread of this process forks.
const CARGO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/binary/cargo.sh");

pub struct Fixture {
    pub root: PathBuf,
}

impl Fixture {
    /// Two chapters with fresh binaries: `kitchen` (boil, fry_eggs) and `bank` (boil, lock_it).
    pub fn new(name: &str) -> Fixture {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("binary-{name}"));
        let _ = fs::remove_dir_all(&root);
        let fixture = Fixture { root };
        fixture.write("Cargo.toml", "[workspace]\n");
        fixture.chapter("ch01-kitchen", "pots", "on_loop boil, on_loop fry_eggs");
        fixture.chapter("ch02-bank", "money", "boil, off_loop lock_it,");
        fixture.lesson("ch01-kitchen", "boil", "boiling water", "sleep");
        fixture.lesson("ch01-kitchen", "fry_eggs", "frying", "gather");
        fixture.lesson("ch02-bank", "boil", "anger", "Lock");
        fixture.lesson("ch02-bank", "lock_it", "the lock", "Lock, threading.Lock");
        fixture.write(
            "target/debug/ch01-kitchen",
            "built last, so newer than its sources",
        );
        fixture.write("target/debug/ch02-bank", "");
        // A name of its own for it: the launcher looks for the chapters' binaries beside itself.
        let launcher = fixture.root.join("target/debug/launcher");
        fs::hard_link(env!("CARGO_BIN_EXE_launcher"), launcher).expect("built by cargo test");
        fixture
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("own folder");
        fs::write(path, text).expect("own folder");
    }

    fn chapter(&self, package: &str, about: &str, lessons: &str) {
        let manifest = format!("[package]\nname = \"{package}\"\ndescription = \"{about}\"\n");
        self.write(&format!("demos/{package}/Cargo.toml"), &manifest);
        let main = format!("chapter::lessons![{lessons}];\n");
        self.write(&format!("demos/{package}/src/main.rs"), &main);
    }

    fn lesson(&self, package: &str, module: &str, title: &str, asyncio: &str) {
        let source = format!("//! # {title}\n//!\n//! asyncio: {asyncio}\n");
        self.write(&format!("demos/{package}/src/{module}.rs"), &source);
    }

    /// The launcher as cargo would start it, in a folder below the workspace's.
    pub fn launcher(&self) -> Command {
        let mut command = Command::new(self.root.join("target/debug/launcher"));
        command
            .current_dir(self.root.join("demos"))
            .env("CARGO_MANIFEST_DIR", self.root.join("crates/launcher"))
            .env("CARGO", CARGO)
            .env("FIXTURE", &self.root)
            .env("LC_ALL", "C.UTF-8");
        command
    }

    pub fn run(&self, line: &str) -> Run {
        let mut command = self.launcher();
        Run::of(command.args(line.split_whitespace()))
    }
}

pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(command: &mut Command) -> Run {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("the launcher starts");
        let text = |bytes| String::from_utf8(bytes).expect("the launcher writes UTF-8");
        Run {
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    /// What cargo was told, one call a line.
    pub fn calls(&self) -> Vec<String> {
        let mut calls: Vec<String> = Vec::new();
        for line in self.stdout.lines() {
            if line.starts_with("cwd ") {
                calls.push(String::new());
            } else if let (Some(arg), Some(call)) = (line.strip_prefix("arg "), calls.last_mut()) {
                if !call.is_empty() {
                    call.push(' ');
                }
                call.push_str(arg);
            }
        }
        calls
    }

    /// What the one chapter that ran was given.
    pub fn handed(&self) -> String {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "{} {}", self.stdout, self.stderr);
        let (before, args) = calls[0].split_once(" --quiet --").expect("a run");
        let package = before.rsplit(' ').next().expect("a package");
        format!("{package}:{args}")
    }
}
