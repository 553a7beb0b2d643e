//! One running server with its own data folder: start, stop, kill, start again.
//!
//! When a [`Server`] goes out of scope its process is killed, and unless the test already failed, what it logged is
//! searched for panics and for every secret the test has seen.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::api::Api;
use crate::binary::{self, Said};
use crate::leap::Leap;
use crate::poll::{self, SOON};

/// How a server is to be started.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    config: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    descriptors: Option<u32>,
    disk_bytes: Option<u64>,
}

impl Setup {
    /// The text of the config file. Without one there is no `--config`.
    #[must_use]
    pub fn config(mut self, text: impl Into<String>) -> Self {
        self.config = text.into();
        self
    }

    /// One more argument of `tollgate serve`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// One more environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// At most this many open files and sockets.
    #[must_use]
    pub fn descriptors(mut self, most: u32) -> Self {
        self.descriptors = Some(most);
        self
    }

    /// With a data folder on a small disk of its own, which is in memory and gone with the process. Nothing where none can be mounted.
    #[must_use]
    pub fn on_small_disk(mut self, bytes: u64) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut trial = binary::on_small_disk(bytes, folder.path(), Path::new("true"));
        let mounts = trial.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        self.disk_bytes = Some(bytes);
        mounts.then_some(self)
    }

    /// Starts on a new data folder.
    #[must_use]
    pub fn start(self) -> Server {
        self.start_in(Arc::new(TempDir::new().unwrap()))
    }

    /// Starts on the data folder `data` inside `dir`.
    #[must_use]
    pub fn start_in(self, dir: Arc<TempDir>) -> Server {
        let mut process = Process::spawn(&self, dir.path(), 0);
        let announced = process.announced();
        let key = announced["key"].as_str().unwrap_or_default().to_owned();
        let server = Server {
            addr: announced["listen"].as_str().unwrap().parse().unwrap(),
            metrics: announced["metrics"].as_str().map(|address| address.parse().unwrap()),
            console_listen: announced["console_listen"].as_str().map(|address| address.parse().unwrap()),
            console: announced["console"].as_str().map(str::to_owned),
            project: announced["project"].as_str().unwrap().to_owned(),
            secrets: Mutex::new(Vec::new()),
            key,
            setup: self,
            dir,
            process,
        };
        server.remember(&server.key);
        if let Some((_, code)) = server.console.as_deref().and_then(|link| link.split_once('#')) {
            server.remember(code);
        }
        server
    }

    /// Starts on the data folder `data` inside `dir`, where the start must fail.
    pub fn fails_in(&self, dir: &Path) -> Said {
        self.fails_on(dir, "127.0.0.1:0")
    }

    /// [`Setup::fails_in`] with an address to listen on.
    pub fn fails_on(&self, dir: &Path, listen: &str) -> Said {
        let mut child = self.command(dir, listen).spawn().unwrap();
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > SOON {
                child.kill().unwrap();
                panic!("still running, though it must refuse to start: {:#?}", child.wait_with_output());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let said = binary::said(&child.wait_with_output().unwrap());
        assert!(!said.ok, "ended as if all were well: {said:#?}");
        said
    }

    fn command(&self, dir: &Path, listen: &str) -> Command {
        let args = ["serve", "--listen", listen, "--announce", "json", "--data-dir"];
        let mut command = match (self.descriptors, self.disk_bytes) {
            (None, None) => binary::command(&args),
            (Some(most), _) => binary::limited_command(most, &args),
            (None, Some(bytes)) => {
                let data = dir.join("data");
                fs::create_dir_all(&data).unwrap();
                binary::small_disk_command(bytes, &data, &args)
            }
        };
        command.arg(dir.join("data"));
        if !self.config.is_empty() {
            let file = dir.join("tollgate.toml");
            fs::write(&file, &self.config).unwrap();
            command.arg("--config").arg(file);
        }
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub addr: SocketAddr,
    /// The project made at the first start.
    pub project: String,
    /// Its key; empty if the data folder was not new.
    pub key: String,
    /// Where it tells operators of itself, if its settings say so; as of the first start.
    pub metrics: Option<SocketAddr>,
    /// Where the console is, if it has an address of its own.
    pub console_listen: Option<SocketAddr>,
    /// The link that makes the console's first owner; as of the first start.
    pub console: Option<String>,
    setup: Setup,
    dir: Arc<TempDir>,
    process: Process,
    secrets: Mutex<Vec<String>>,
}

impl Server {
    /// A server with default settings on a new data folder.
    #[must_use]
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// Its REST API, with the first project's key.
    #[must_use]
    pub fn api(&self) -> Api<'_> {
        self.api_with(&self.key)
    }

    /// One request to `/v2` that must succeed, with the first project's key; null is no body.
    #[track_caller]
    pub fn v2(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = Some(body).filter(|body| !body.is_null()).map(Value::to_string);
        let reply = self.api().try_call(method, path, body.as_ref().map(String::as_bytes)).unwrap();
        assert!(matches!(reply.status, 200..=204), "{method} {path}: {reply:?}");
        serde_json::from_slice(&reply.body).unwrap_or(Value::Null)
    }

    /// Its REST API with another `Authorization`.
    #[must_use]
    pub fn api_with(&self, key: &str) -> Api<'_> {
        Api::new(self, key)
    }

    /// A new Leap connection that has had its Hello.
    #[must_use]
    pub fn leap(&self) -> Leap {
        Leap::open(self.addr)
    }

    /// A Leap connection that is past INIT, and the `d` of its INIT.
    #[must_use]
    pub fn identified(&self, token: Option<&str>) -> (Leap, Value) {
        let mut leap = self.leap();
        let init = leap.identify(&self.project, token);
        (leap, init)
    }

    /// A key of the first project with these permissions, made by the command line while the server runs.
    #[must_use]
    pub fn new_key(&self, permissions: &str) -> Value {
        self.new_key_of(&self.project, permissions)
    }

    /// [`Server::new_key`] of any project: `{id, key, permissions}`.
    #[must_use]
    pub fn new_key_of(&self, project: &str, permissions: &str) -> Value {
        let made = self.command(&["key", "create", "--project", project, "--permissions", permissions, "--json"]);
        self.remember(made["key"].as_str().unwrap());
        made
    }

    /// Another project: its id and its first key.
    #[must_use]
    pub fn new_project(&self, name: &str) -> (String, String) {
        let made = self.command(&["project", "create", "--name", name, "--json"]);
        let key = made["key"].as_str().unwrap().to_owned();
        self.remember(&key);
        (made["project"].as_str().unwrap().to_owned(), key)
    }

    /// Runs a command on the data folder and reads what it prints as JSON.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Value {
        binary::run_json(&[args, &["--data-dir", self.data().to_str().unwrap()]].concat())
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The folder around the data folder, which lives as long as someone holds it.
    #[must_use]
    pub fn dir(&self) -> Arc<TempDir> {
        Arc::clone(&self.dir)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log.lock().unwrap().clone()
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Resident memory in KiB.
    #[must_use]
    pub fn resident_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Adds to what must never appear in the log.
    pub fn remember(&self, secret: &str) {
        if !secret.is_empty() {
            self.secrets.lock().unwrap().push(secret.to_owned());
        }
    }

    /// Every secret seen so far.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.lock().unwrap().clone()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = self.process.child.kill();
        let _ = self.process.child.wait();
    }

    /// SIGTERM, without waiting for the end.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end of the process.
    pub fn ended(&mut self, deadline: Duration) -> ExitStatus {
        poll::until(deadline, "the end of the server process", || self.process.child.try_wait().unwrap())
    }

    /// SIGTERM, then waits for an orderly end.
    pub fn stop(&mut self) {
        self.terminate();
        let status = self.ended(Duration::from_secs(30));
        assert!(status.success(), "SIGTERM must end with 0, not {status}: {}", self.log());
    }

    /// Starts it again on the same data and the same port, and kills it `after` a while, ready or not.
    pub fn start_and_kill(&mut self, after: Duration) {
        self.process.drained();
        let mut process = Process::spawn(&self.setup, self.dir.path(), self.addr.port());
        std::thread::sleep(after);
        let _ = process.child.kill();
        let _ = process.child.wait();
        process.drained();
        let log = process.log.lock().unwrap();
        assert!(!log.contains("panicked at"), "{log}");
    }

    /// Starts it again on the same data and the same port; gives what it announced.
    pub fn start_again(&mut self) -> Value {
        self.process.drained();
        let earlier = self.log();
        self.process = Process::spawn(&self.setup, self.dir.path(), self.addr.port());
        let announced = self.process.announced();
        self.process.log.lock().unwrap().insert_str(0, &earlier);
        announced
    }

    /// The same, with other settings.
    pub fn start_again_with(&mut self, setup: Setup) -> Value {
        self.setup = setup;
        self.start_again()
    }
}

impl Drop for Server {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        self.kill();
        self.process.drained();
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("---- log of the server ----\n{log}\n---- end of log ----");
            return;
        }
        assert!(!log.contains("panicked at"), "the server panicked:\n{log}");
        assert!(!log.contains("…hidden…"), "a credential was logged, and hidden at the last moment:\n{log}");
        for secret in self.secrets.lock().unwrap().iter() {
            assert!(!log.contains(secret.as_str()), "the log shows the secret {secret}:\n{log}");
        }
    }
}

#[derive(Debug)]
struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Process {
    fn spawn(setup: &Setup, dir: &Path, port: u16) -> Self {
        let mut child = setup.command(dir, &format!("127.0.0.1:{port}")).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut stderr, copy) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = stderr.read(&mut buffer) {
                copy.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..len]));
            }
        });
        Self { child, log, reader: Some(reader) }
    }

    /// The announce line: the first and only line of standard output.
    fn announced(&mut self) -> Value {
        let stdout = self.child.stdout.take().unwrap();
        let (tell, told) = sync_channel(4);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let Ok(line) = told.recv_timeout(SOON) else {
            let _ = self.child.kill();
            self.drained();
            panic!("no announce line within {SOON:?}; log:\n{}", self.log.lock().unwrap());
        };
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("announce line {line:?}: {error}"))
    }

    fn drained(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
