//! One run of a program: a session of its own, a folder for temporary files of its own, and what is left of both.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use chapter::Folder;
use tokio::time::Instant;

/// A whole chapter takes less on a busy machine; what still runs then hangs.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A worker sees at the end of a pipe that its parent is gone, and a PostgreSQL shuts down. What is still there after
/// this time is left behind.
const TO_VANISH: Duration = Duration::from_secs(60);

/// Between two looks at a process.
const PAUSE: Duration = Duration::from_millis(10);

/// A program, ready to run.
pub struct Run {
    pub command: Command,
    place: Folder,
    to_vanish: Duration,
}

/// What became of it.
pub struct Ended {
    /// `None` when a signal has ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    /// Its processes that are still there, and its files.
    pub left: Vec<String>,
}

impl Run {
    /// `setsid` becomes the program, so the session has its process's number.
    pub fn of(program: impl AsRef<OsStr>) -> Self {
        let place = Folder::temporary().unwrap();
        for name in ["tmp", "here"] {
            let path = place.path().join(name);
            fs::create_dir(&path).unwrap();
            // PostgreSQL doesn't run as root; whoever it runs as has to get there.
            fs::set_permissions(path, fs::Permissions::from_mode(0o1777)).unwrap();
        }
        let mut command = Command::new("setsid");
        let file = |name| File::create(place.path().join(name)).unwrap();
        command
            .arg(program)
            .current_dir(place.path().join("here"))
            .env("TMPDIR", place.path().join("tmp"))
            .env("LANG", "C.UTF-8")
            .env_remove("LC_ALL")
            .env_remove("DATABASE_URL")
            .env_remove("MYSQL_URL")
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"));
        Self {
            command,
            place,
            to_vanish: TO_VANISH,
        }
    }

    /// A stream that is closed before the program begins: `<&-`, `>&-` or `2>&-`.
    pub fn with_closed(stream: &str, program: impl AsRef<OsStr>) -> Self {
        let mut run = Self::of("sh");
        let script = format!(r#"exec "$0" "$@" {stream}"#);
        run.command.args(["-c", &script]).arg(program);
        run
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Where the program is: whatever it was asked to write stands here.
    pub fn here(&self) -> PathBuf {
        self.place.path().join("here")
    }

    pub fn vanishing_within(mut self, to_vanish: Duration) -> Self {
        self.to_vanish = to_vanish;
        self
    }

    pub fn start(mut self) -> Running {
        let child = self.command.spawn().expect("setsid starts");
        // It can't have gone: nobody has waited for it.
        let began = Stat::of(child.id()).map_or(0, |stat| stat.began);
        Running {
            began,
            child,
            run: self,
            started: Instant::now(),
        }
    }

    pub fn ended(self) -> Ended {
        self.start().ended()
    }
}

/// A program that runs.
pub struct Running {
    pub child: Child,
    run: Run,
    started: Instant,
    began: u64,
}

impl Running {
    /// Waits until its stdout has this.
    pub fn until_it_prints(&mut self, text: &str) {
        let hangs = |run: &Self| run.started.elapsed() > PATIENCE;
        while self.is_there() && !self.text("out").contains(text) && !hangs(self) {
            pause(PAUSE);
        }
    }

    /// Once it was waited for, its number may be another's.
    pub fn send(&mut self, signal: &str) {
        if self.is_there() {
            kill(signal, self.child.id());
        }
    }

    pub fn ended(mut self) -> Ended {
        while self.is_there() {
            if self.started.elapsed() > PATIENCE {
                self.send("KILL");
            }
            pause(PAUSE);
        }
        let code = self.child.wait().unwrap().code();
        let ended = Instant::now();
        let mut left = self.left();
        while !left.is_empty() && ended.elapsed() < self.run.to_vanish {
            pause(PAUSE);
            left = self.left();
        }
        if !left.is_empty() {
            for (process, _) in self.processes() {
                kill("KILL", process);
            }
        }
        Ended {
            code,
            out: self.text("out"),
            err: self.text("err"),
            left,
        }
    }

    pub fn is_there(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn text(&self, name: &str) -> String {
        let bytes = fs::read(self.run.place.path().join(name)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// No process is left, so none of its ports is either.
    fn left(&self) -> Vec<String> {
        let processes = self.processes().into_iter();
        let processes = processes.map(|(id, line)| format!("process {id}: {line}"));
        let files = self.files().into_iter();
        processes
            .chain(files.map(|file| format!("file {}", file.display())))
            .collect()
    }

    /// The processes of its session, and those that have left it and know its folder.
    fn processes(&self) -> Vec<(u32, String)> {
        let session = self.child.id();
        let folder = self.run.place.path().join("tmp");
        let folder = folder.to_str().unwrap();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|id| id.parse().ok()) else {
                continue;
            };
            let Some(stat) = Stat::of(id) else { continue };
            // A zombie has ended; whoever collects it is no part of the run. What was there before isn't either.
            if stat.is_over || stat.began < self.began {
                continue;
            }
            // What has gone between two reads is not left.
            let read = |name| {
                let bytes = fs::read(entry.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let line = read("cmdline");
            let knows = || line.contains(folder) || read("environ").contains(folder);
            if stat.session == session || knows() {
                found.push((id, line));
            }
        }
        found
    }

    /// In its own folder for temporary files; or in everybody's, if it was told of none.
    fn files(&self) -> Vec<PathBuf> {
        let entries = |folder: PathBuf| {
            let entries = fs::read_dir(folder).unwrap().flatten();
            entries.map(|entry| entry.path())
        };
        let id = self.child.id();
        let names = [format!("waitwise-{id}-"), format!("pg-{id}-")];
        let is_named = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            names.iter().any(|start| name.starts_with(start))
        };
        let everybodys = entries(std::env::temp_dir()).filter(is_named);
        entries(self.run.place.path().join("tmp"))
            .chain(everybodys)
            .collect()
    }
}

/// What `/proc` says of a process.
struct Stat {
    is_over: bool,
    session: u32,
    /// In ticks of the system's clock.
    began: u64,
}

impl Stat {
    /// `None` when there is no such process.
    fn of(process: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The program's name stands before them, in parentheses; it may hold blanks.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<_> = fields.split(' ').collect();
        Some(Self {
            is_over: ["Z", "X"].contains(&fields[0]),
            session: fields[3].parse().ok()?,
            began: fields[19].parse().ok()?,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it waits for processes, on threads without a runtime"
)]
pub fn pause(long: Duration) {
    thread::sleep(long);
}

fn kill(signal: &str, process: u32) {
    let mut kill = Command::new("kill");
    kill.args(["-s", signal, &process.to_string()]);
    // What has ended meanwhile can't be sent anything.
    let sent: io::Result<_> = kill.stderr(Stdio::null()).status();
    sent.expect("kill starts");
}

impl Ended {
    /// What holds for every ending, and this exit code.
    pub fn complaints(&self, codes: &[i32]) -> Vec<String> {
        let Self {
            code,
            out,
            err,
            left,
            ..
        } = self;
        let mut complaints = Vec::new();
        if !code.is_some_and(|code| codes.contains(&code)) {
            complaints.push(format!("exit code {code:?}, not {codes:?}: {err}"));
        }
        for text in [out, err] {
            let panicked = text.lines().filter(|line| line.contains("panicked at"));
            complaints.extend(panicked.map(|line| format!("a panic: {line}")));
        }
        complaints.extend(left.iter().map(|left| format!("left: {left}")));
        complaints
    }
}
