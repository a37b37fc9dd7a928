//! What is durable, and what must be true of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use instructmill::usd::Usd;
use rusqlite::{Connection, Row};

use crate::world::World;

/// The durable rows, read over a connection of their own.
pub struct Books {
    world: Arc<World>,
    connection: Mutex<Connection>,
    /// How many attempts there may be, once the disk was full.
    most_attempts: Mutex<Option<u64>>,
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").finish_non_exhaustive()
    }
}

/// Sums over the attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money {
    pub spent: u64,
    pub reserved: u64,
    pub unconfirmed: u64,
}

impl Money {
    pub fn all(&self) -> u64 {
        self.spent + self.reserved + self.unconfirmed
    }
}

/// What the journal knows of a request that is about to leave.
#[derive(Debug)]
pub struct Departing {
    pub phase: String,
    pub tasks: Vec<String>,
}

impl Books {
    pub fn new(world: Arc<World>, connection: Connection) -> Self {
        Self { world, connection: Mutex::new(connection), most_attempts: Mutex::new(None) }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A count or a sum.
    pub fn number(&self, sql: &str) -> u64 {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql).expect("the statement is right");
        statement.query_row([], |row| whole(row, 0)).expect("a number")
    }

    pub fn money(&self) -> Money {
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached(
                "SELECT coalesce(sum(iif(state = 'answered', cost_pico, 0)), 0),
                    coalesce(sum(iif(state = 'reserved', reserved_pico, 0)), 0),
                    coalesce(sum(iif(state = 'unconfirmed', reserved_pico, 0)), 0) FROM attempts",
            )
            .expect("the statement is right");
        let sums = statement.query_row([], |row| {
            let sum =
                |column| row.get::<_, i64>(column).map(|sum| u64::try_from(sum).expect("no debts"));
            Ok(Money { spent: sum(0)?, reserved: sum(1)?, unconfirmed: sum(2)? })
        });
        sums.expect("three sums")
    }

    /// The disk was full: no attempt may begin any more.
    pub fn remember_attempts(&self) {
        let attempts = self.number("SELECT count(*) FROM attempts");
        *self.most_attempts.lock().unwrap_or_else(PoisonError::into_inner) = Some(attempts);
    }

    pub fn begin_session(&self) {
        *self.most_attempts.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What must be true of the rows at any moment.
    pub fn check_commit(&self) {
        let (money, budget) = (self.money(), self.world.state().session.budget);
        if money.all() > budget.pico() {
            self.world.violate(format!("{money:?} is more than the budget of {budget}"));
        }
        let bill = self.world.bill();
        if bill.pico() > money.all() {
            self.world.violate(format!("the bill of {bill} is more than {money:?}"));
        }
        let gaps = "SELECT count(*) FROM responses HAVING count(*) > 0
            AND (min(seq) != 1 OR max(seq) != count(*)) UNION ALL SELECT 0 LIMIT 1";
        if self.number(gaps) > 0 {
            self.world.violate("the journal has gaps");
        }
        let settled = "SELECT count(*) FROM attempts a JOIN requests q USING (request_index)
            WHERE a.state = 'answered' AND q.phase != 'embeddings'
            AND a.id NOT IN (SELECT attempt_id FROM responses)";
        if self.number(settled) > 0 {
            self.world.violate("an attempt is settled whose answer is not durable");
        }
        let twice = "SELECT count(*) FROM (SELECT 1 FROM responses GROUP BY request_index
            HAVING count(*) > 1)";
        if self.number(twice) > 0 {
            self.world.violate("a request has two answers");
        }
        let most = *self.most_attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if most.is_some_and(|most| self.number("SELECT count(*) FROM attempts") > most) {
            self.world.violate("an attempt began although the disk was full");
        }
    }

    /// Checks that a request may leave for the `times`th time.
    pub fn check_departure(&self, request: u64, times: u64) -> Option<Departing> {
        let connection = self.lock();
        let sql = "SELECT q.phase, q.tasks, count(*), sum(a.state = 'reserved')
            FROM requests q JOIN attempts a USING (request_index)
            WHERE q.request_index = ?1 GROUP BY 1, 2";
        let mut statement = connection.prepare_cached(sql).expect("the statement is right");
        let row = statement.query_row([signed(request)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, whole(row, 2)?, whole(row, 3)?))
        });
        let Ok((phase, tasks, attempts, reserved)): Result<(_, _, u64, u64), _> = row else {
            self.world.violate(format!("request {request} leaves without a durable reservation"));
            return None;
        };
        if reserved == 0 || attempts < times {
            self.world.violate(format!(
                "request {request} leaves for the {times}th time with {attempts} attempts, \
                 {reserved} of them open"
            ));
        }
        self.check_not_bought(&connection, request, &tasks);
        let tasks = tasks.split_whitespace().map(str::to_owned).collect();
        Some(Departing { phase, tasks })
    }

    /// Checks that neither a request nor any of the outputs that it asks for is answered already.
    fn check_not_bought(&self, connection: &Connection, request: u64, tasks: &str) {
        let tasks: Vec<&str> = tasks.split_whitespace().collect();
        let sql = "SELECT q.request_index, q.tasks FROM responses r JOIN requests q
            USING (request_index) WHERE q.request_index = ?1 OR q.tasks != ''";
        let mut statement = connection.prepare_cached(sql).expect("the statement is right");
        let mut rows = statement.query([signed(request)]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            let answered = whole(row, 0).expect("an index");
            let theirs: String = row.get(1).expect("tasks");
            let shared = theirs.split_whitespace().find(|task| tasks.contains(task));
            if answered == request {
                self.world.violate(format!("request {request} is answered and bought again"));
            } else if let Some(task) = shared {
                self.world.violate(format!("the output of {task} is bought again"));
            }
        }
    }

    /// Checks that a request may leave in a batch, or be uploaded for one.
    pub fn check_line(&self, batch: u64, attempt: u64) {
        let connection = self.lock();
        let sql = "SELECT a.request_index, q.tasks, a.state, a.batch_id FROM attempts a
            JOIN requests q USING (request_index) WHERE a.id = ?1";
        let mut statement = connection.prepare_cached(sql).expect("the statement is right");
        let row = statement.query_row([signed(attempt)], |row| {
            let state: String = row.get(2)?;
            Ok((whole(row, 0)?, row.get::<_, String>(1)?, state, row.get::<_, Option<i64>>(3)?))
        });
        let Ok((request, tasks, state, within)) = row else {
            return self.world.violate(format!("attempt {attempt} leaves and is not durable"));
        };
        if state != "reserved" || within != Some(signed(batch)) {
            self.world.violate(format!(
                "attempt {attempt} leaves in batch {batch}, and is {state} in {within:?}"
            ));
        }
        self.check_not_bought(&connection, request, &tasks);
    }

    /// Checks that a batch may be created.
    pub fn check_creation(&self, batch: u64) {
        let connection = self.lock();
        let sql = "SELECT state FROM batches WHERE id = ?1";
        let state = connection.query_row(sql, [signed(batch)], |row| row.get::<_, String>(0));
        if state.as_deref() != Ok("creating") {
            self.world.violate(format!("batch {batch} is created, and is {state:?}"));
        }
    }

    /// Batches that may be at the server and are not at their end.
    pub fn open_batches(&self) -> u64 {
        self.number("SELECT count(*) FROM batches WHERE state IN ('creating', 'created')")
    }

    /// What each attempt is charged with, at most.
    pub fn charged_by_attempt(&self) -> BTreeMap<u64, u64> {
        self.charged_by("id")
    }

    /// What each request is charged with, at most.
    pub fn charged(&self) -> BTreeMap<u64, u64> {
        self.charged_by("request_index")
    }

    fn charged_by(&self, column: &str) -> BTreeMap<u64, u64> {
        let connection = self.lock();
        let sql = format!(
            "SELECT {column}, sum(CASE state WHEN 'answered' THEN cost_pico
             WHEN 'refused' THEN 0 ELSE reserved_pico END) FROM attempts GROUP BY 1"
        );
        let mut statement = connection.prepare_cached(&sql).expect("the statement is right");
        let rows = statement.query_map([], |row| Ok((whole(row, 0)?, whole(row, 1)?)));
        rows.expect("rows").collect::<Result<_, _>>().expect("sums")
    }

    /// The requests that have an answer in the journal.
    pub fn answered(&self) -> Vec<u64> {
        let connection = self.lock();
        let sql = "SELECT request_index FROM responses UNION
            SELECT request_index FROM attempts a JOIN requests q USING (request_index)
            WHERE q.phase = 'embeddings' AND a.state IN ('answered', 'unconfirmed')";
        let mut statement = connection.prepare_cached(sql).expect("the statement is right");
        let rows = statement.query_map([], |row| whole(row, 0));
        rows.expect("rows").collect::<Result<_, _>>().expect("indices")
    }

    /// The largest reservation of any attempt.
    pub fn largest_reservation(&self) -> Usd {
        Usd::from_pico(self.number("SELECT coalesce(max(reserved_pico), 0) FROM attempts"))
    }
}

/// SQLite's numbers have a sign, ours have none.
fn whole(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).expect("nothing is negative"))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("a small number")
}
