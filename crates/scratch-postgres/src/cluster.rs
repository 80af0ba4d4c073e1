//! A server of our own, for as long as this process runs.

use std::{
    env, fs,
    io::{self, Read},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;

use crate::{account::Account, programs};

/// initdb is mostly disk: 5 s on a machine that builds something beside it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The path of a socket has a limit in the system: 108 bytes on Linux, 104 on a Mac, with its closing NUL.
const LONGEST_SOCKET: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Nothing here outlives the run, so nothing needs to survive a crash. No address but the socket's folder, which is
/// closed to others: the server needs no password and no port.
const SETTINGS: [&str; 7] = [
    "listen_addresses=",
    "port=5432", // of the socket's name alone
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "max_connections=200",
    "shared_buffers=32MB",
];

/// A throw-away PostgreSQL: a cluster of its own in a temporary folder, reached by a Unix socket in that folder.
///
/// The server and the folder are gone when this is dropped, and when the process ends in any other way, a SIGKILL
/// among them: a shell between the two holds a pipe whose other end is here, and clears up when it is closed.
#[derive(Debug)]
pub struct Cluster {
    supervisor: Child,
    folder: PathBuf,
    programs: PathBuf,
}

impl Cluster {
    /// Makes one and waits until it answers, half a second to two on a machine with little else to do.
    ///
    /// # Errors
    ///
    /// When there is no PostgreSQL on this machine (that is [`chapter::skip`]'s error, and says what to do), or it
    /// doesn't start: with the server's own words.
    pub async fn start() -> Result<Self> {
        let programs = programs::find()?.ok_or_else(crate::nothing_found)?;
        let mut cluster = Self::supervised(&programs, env::temp_dir())
            .with_context(|| format!("PostgreSQL of {}", programs.display()))?;
        let answered = timeout(PATIENCE, cluster.until_it_answers()).await;
        answered
            .unwrap_or_else(|elapsed| Err(elapsed.into()))
            .with_context(|| format!("PostgreSQL of {}", programs.display()))?;
        Ok(cluster)
    }

    async fn until_it_answers(&mut self) -> Result<()> {
        while tokio_postgres::connect(&self.url(), NoTls).await.is_err() {
            if let Some(status) = self.supervisor.try_wait()? {
                bail!(self.last_words(status));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    fn supervised(programs: &Path, within: PathBuf) -> Result<Self> {
        let account = Account::instead_of_root()?;
        if let Some(account) = &account {
            account.can_enter(programs, "PG_BIN_DIR")?;
        }
        let folder = empty_folder(&within)?;
        let started = shell(programs, &folder, account.as_ref());
        if started.is_err() {
            // From here on it is the shell that removes it.
            let _ = fs::remove_dir(&folder);
        }
        Ok(Self {
            supervisor: started?,
            folder,
            programs: programs.into(),
        })
    }

    /// Where it is, in the form that every driver and `psql` understand: the folder of the socket stands in the
    /// host's place.
    pub fn url(&self) -> String {
        let folder = self.folder.as_os_str().as_encoded_bytes();
        let folder = percent_encode(folder, NON_ALPHANUMERIC);
        format!("postgresql://postgres@{folder}:5432/postgres")
    }

    /// The folder of the programs that it runs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The folder that is gone when it has ended.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process of the server itself, for those who want to see it die.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn server_pid(&self) -> io::Result<u32> {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid"))?;
        let pid = pid.lines().next().unwrap_or_default();
        pid.parse().map_err(io::Error::other)
    }

    /// What the shell passed on of the server's log.
    fn last_words(&mut self, status: ExitStatus) -> String {
        let mut words = String::new();
        if let Some(mut stderr) = self.supervisor.stderr.take() {
            let _ = stderr.read_to_string(&mut words); // it has ended, so this does
        }
        let words = words.trim().replace('\n', "; ");
        if words.is_empty() {
            status.to_string()
        } else {
            words
        }
    }
}

impl Drop for Cluster {
    /// Waits until server and folder are gone: some 50 ms.
    fn drop(&mut self) {
        let _ = self.supervisor.wait(); // which closes the pipe first
    }
}

/// Closed to all but its owner.
fn empty_folder(within: &Path) -> Result<PathBuf> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Relaxed);
    // Short, because of the socket. A process may have the number of one that has ended.
    let none = || {
        let within = within.display();
        format!("no folder can be made in {within}; set TMPDIR to one that can be written")
    };
    let nonce = fs::metadata(within).with_context(none)?.mtime_nsec() & 0xffff;
    let name = format!("pg-{}-{number}-{nonce:x}", std::process::id());
    let folder = within.join(name);
    let socket = folder.join(".s.PGSQL.5432");
    ensure!(
        socket.as_os_str().len() <= LONGEST_SOCKET,
        "{}: longer than a socket's path may be ({LONGEST_SOCKET} bytes); set TMPDIR to a shorter one",
        socket.display()
    );
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700).create(&folder).with_context(none)?;
    Ok(folder)
}

fn shell(programs: &Path, folder: &Path, account: Option<&Account>) -> Result<Child> {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", include_str!("supervisor.sh"), "supervisor"])
        .args([programs, folder])
        .args(SETTINGS.iter().flat_map(|setting| ["-c", setting]))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .current_dir(folder)
        // A terminal sends Ctrl-C to a whole group; this process is the one to act on it.
        .process_group(0);
    if let Some(account) = account {
        account.takes(folder)?;
        shell.uid(account.uid).gid(account.gid);
    }
    shell.spawn().context("/bin/sh")
}
