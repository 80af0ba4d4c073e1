//! Cargo builds the chapter, and cargo runs it.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    path::PathBuf,
    process::{Command, ExitStatus},
};

use crate::{
    fresh::{Binary, State},
    print::{Failure, Reader, say, write},
    workspace::{Chapter, Workspace},
};

/// After these nothing more is run: Ctrl-C and SIGTERM mean all of it.
const STOPS: [u8; 2] = [130, 143];

/// Runs one chapter; `args` are handed over as they are. On Unix it returns only when that failed.
pub fn one(
    workspace: &Workspace,
    chapter: &Chapter,
    args: &[String],
    release: bool,
) -> Result<u8, Failure> {
    build_if_stale(workspace, chapter, release)?;
    let command = run_command(workspace, chapter, args, release);
    become_it(command)
}

/// Runs every chapter in order, whatever became of those before it, and returns the highest-ranking exit code.
///
/// Here cargo is a child. Ctrl-C in a terminal reaches the launcher and the chapter alike: the launcher ends at once,
/// so nothing more is started, and the chapter cleans up after itself.
pub fn all(workspace: &Workspace, flags: &[String], release: bool) -> Result<u8, Failure> {
    let mut worst = 0;
    for (i, chapter) in workspace.chapters.iter().enumerate() {
        let gap = if i == 0 { "" } else { "\n" };
        let head = format!("{gap}{} · {}\n\n", chapter.name, chapter.about);
        if write(&head)? == Reader::Left {
            break;
        }
        let code = match build_if_stale(workspace, chapter, release) {
            Ok(()) => {
                let status = run_command(workspace, chapter, flags, release).status();
                code_of(status.map_err(cannot_start)?)
            }
            Err(failure) => failure.report(),
        };
        if STOPS.contains(&code) {
            return Ok(code);
        }
        worst = worse(worst, code);
    }
    Ok(worst)
}

/// Announces and does the build when the binary is missing or older than its sources.
fn build_if_stale(workspace: &Workspace, chapter: &Chapter, release: bool) -> Result<(), Failure> {
    let Some(folder) = profile_folder(release) else {
        return Ok(()); // then cargo builds when it runs, unannounced
    };
    let root = workspace.root.as_path();
    let folder = folder.as_path();
    let package = chapter.package.as_str();
    let this = Binary {
        root,
        folder,
        package,
    };
    let state = this.state();
    if state == State::Fresh {
        return Ok(());
    }
    let mut packages = workspace
        .chapters
        .iter()
        .map(|other| other.package.as_str());
    let is_first = !packages.any(|package| Binary { package, ..this }.path().exists());
    say(&announcement(package, state, is_first, release));

    let mut build = cargo(workspace, chapter, "build", release);
    if !io::stderr().is_terminal() {
        build.arg("--quiet");
    }
    let status = build.status().map_err(cannot_start)?;
    if !status.success() {
        // Cargo has said why. Its own code, 101, is what a panic looks like.
        let failure = Failure::world(format!("{package} can't be built"));
        return Err(failure.way_out("cargo's message stands above"));
    }
    this.note_checked();
    Ok(())
}

fn announcement(package: &str, state: State, is_first: bool, release: bool) -> String {
    let why = match state {
        State::Stale => "its sources have changed",
        _ if release && is_first => "first optimised build of this workspace",
        _ if is_first => "first build of this workspace: about half a minute",
        _ => "first build of this chapter",
    };
    format!("building {package} ({why}) …")
}

/// Where cargo puts the chapters' binaries: beside this one, or beside that folder for the other profile.
fn profile_folder(release: bool) -> Option<PathBuf> {
    let launcher = env::current_exe().ok()?;
    let target = launcher.parent()?.parent()?;
    Some(target.join(if release { "release" } else { "debug" }))
}

fn run_command(
    workspace: &Workspace,
    chapter: &Chapter,
    args: &[String],
    release: bool,
) -> Command {
    let mut command = cargo(workspace, chapter, "run", release);
    // What there was to build has been built, and has been talked about.
    command.args(["--quiet", "--"]).args(args);
    command
}

fn cargo(workspace: &Workspace, chapter: &Chapter, what: &str, release: bool) -> Command {
    let program = env::var_os("CARGO").filter(|path| !path.is_empty());
    let mut command = Command::new(program.unwrap_or_else(|| OsString::from("cargo")));
    // By its manifest, so that the reader's own folder stays the one that relative paths start from.
    command
        .arg(what)
        .arg("--manifest-path")
        .arg(workspace.root.join("Cargo.toml"))
        .args(["-p", &chapter.package]);
    if release {
        command.arg("--release");
    }
    command
}

#[cfg(unix)]
fn become_it(mut command: Command) -> Result<u8, Failure> {
    use std::os::unix::process::CommandExt;
    Err(cannot_start(command.exec()))
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> Result<u8, Failure> {
    Ok(code_of(command.status().map_err(cannot_start)?))
}

fn cannot_start(error: io::Error) -> Failure {
    Failure::world(format!("cannot start cargo: {error}"))
}

/// The exit code as a shell would give it: 128 + n after signal n.
fn code_of(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    let code = status.code().unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// A signal ranks above usage, usage above failure, and whatever else isn't 0 is a failure.
fn worse(a: u8, b: u8) -> u8 {
    let known = |code: u8| match code {
        0..=2 | 129.. => code,
        _ => 1,
    };
    known(a).max(known(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_ranking_code_is_kept() {
        assert_eq!(worse(0, 0), 0);
        assert_eq!(worse(1, 0), 1);
        assert_eq!(worse(1, 2), 2);
        assert_eq!(worse(2, 1), 2);
        assert_eq!(worse(2, 137), 137);
        assert_eq!(worse(0, 101), 1); // cargo's own, or a panic: a failure like any other
    }

    #[cfg(unix)]
    #[test]
    fn a_signal_is_told_as_a_shell_tells_it() {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(code_of(ExitStatus::from_raw(9)), 137);
        assert_eq!(code_of(ExitStatus::from_raw(2 << 8)), 2);
    }

    #[test]
    fn the_announcement_says_why() {
        let first = announcement("ch01-a", State::Missing, true, false);
        assert_eq!(
            first,
            "building ch01-a (first build of this workspace: about half a minute) …"
        );
        assert!(announcement("ch01-a", State::Missing, false, false).contains("this chapter"));
        assert!(announcement("ch01-a", State::Stale, false, true).contains("have changed"));
    }
}
