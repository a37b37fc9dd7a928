//! A simulator in the test's process, and the built binary in a folder of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use instructmill::ledger::per_million;
use instructmill::simulator::{Bill, Simulator, SimulatorSettings};
use instructmill::usd::Usd;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A simulator, served for as long as it lives.
pub struct Server {
    simulator: Simulator,
    // Dropped last: the simulator's tasks run on it.
    _runtime: Runtime,
}

pub fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// Prices of the tests: $1 and $2 per million tokens.
pub fn settings() -> SimulatorSettings {
    SimulatorSettings {
        price_in: per_million(usd("1")).unwrap(),
        price_out: per_million(usd("2")).unwrap(),
        ..SimulatorSettings::default()
    }
}

impl Server {
    pub fn start(settings: SimulatorSettings) -> Self {
        let runtime = Runtime::new().unwrap();
        let anywhere = ([127, 0, 0, 1], 0).into();
        let simulator = runtime.block_on(Simulator::start(settings, anywhere)).unwrap();
        Self { simulator, _runtime: runtime }
    }

    pub fn base_url(&self) -> String {
        self.simulator.base_url()
    }

    pub fn bill(&self) -> Bill {
        self.simulator.bill()
    }

    /// One entry for each request, in order.
    pub fn journal(&self) -> Vec<Value> {
        let mut stream = TcpStream::connect(self.simulator.addr()).unwrap();
        let request = "GET /simulator/journal HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str(body).unwrap()
    }
}

/// A folder in which the binary runs, with a clean environment.
pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_instructmill"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command
    }

    /// The program behind a shell that says something first, such as `ulimit -n 64`. Arguments follow.
    #[cfg(unix)]
    pub fn under_limit(&self, limit: &str) -> Command {
        let mut command = Command::new("/bin/bash");
        command.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_instructmill"));
        command.current_dir(self.dir.path()).env_clear();
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        Ended(self.command(args).output().unwrap())
    }

    /// `generate` against a server, at the tests' prices.
    pub fn generate(&self, server: &Server, args: &[&str]) -> Ended {
        Ended(self.generate_command(server, args).output().unwrap())
    }

    pub fn generate_command(&self, server: &Server, args: &[&str]) -> Command {
        let base = ["generate", "--run", "run", "--model", "m", "--price-in", "1"];
        let mut command = self.command(&base);
        command.args(["--price-out", "2", "--base-url", &server.base_url()]);
        command.args(args);
        command
    }

    pub fn status(&self) -> Value {
        let ended = self.run(&["status", "--run", "run", "--json"]);
        serde_json::from_str(&ended.stdout()).unwrap_or_else(|_| panic!("{}", ended.talk()))
    }

    /// The accepted tasks, as the JSON that is exported.
    pub fn export(&self) -> Vec<Value> {
        let ended = self.run(&["export", "--run", "run"]);
        serde_json::from_str(&ended.stdout()).unwrap_or_else(|_| panic!("{}", ended.talk()))
    }

    /// Fails unless a replay gives the tasks of the run again.
    pub fn assert_replays(&self) {
        self.run(&["replay", "--run", "run", "--check"]).assert_code(0);
    }

    pub fn folder(&self) -> &Path {
        self.dir.path()
    }
}

/// A process that has ended.
pub struct Ended(pub Output);

impl Ended {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn talk(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.0.status.code(), Some(code), "{}\n{}", self.stdout(), self.talk());
        self
    }

    #[track_caller]
    pub fn assert_says(&self, text: &str) -> &Self {
        assert!(self.talk().contains(text), "no `{text}` in:\n{}", self.talk());
        self
    }
}

/// A field of `status --json` that holds money.
pub fn money(status: &Value, key: &str) -> Usd {
    usd(status[key].as_str().unwrap())
}

/// What must hold after any trouble: the bill is between what is spent and what is spent or
/// unconfirmed, and nothing is above the budget.
#[track_caller]
pub fn assert_books_balance(status: &Value, bill: &Bill) {
    let (spent, unconfirmed) = (money(status, "spent_usd"), money(status, "unconfirmed_usd"));
    let budget = money(status, "budget_usd");
    assert_eq!(money(status, "reserved_usd"), Usd::ZERO);
    assert!(spent <= bill.cost, "spent {spent}, billed {}", bill.cost);
    let at_most = spent.saturating_add(unconfirmed);
    assert!(bill.cost <= at_most, "billed {}, spent or unconfirmed {at_most}", bill.cost);
    assert!(at_most <= budget, "{at_most} of {budget}");
}
