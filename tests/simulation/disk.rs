//! The disk of the simulated world.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use instructmill::store::{Disk, WriteFault};

use crate::books::Books;
use crate::world::{Met, World};

/// A disk whose commits fail as the plan says.
#[derive(Debug)]
pub struct Platter {
    pub world: Arc<World>,
    /// Checks what is durable after each commit.
    pub books: OnceLock<Books>,
}

impl Disk for Platter {
    fn hand_over(&self) -> Duration {
        let mut state = self.world.state();
        if state.rng.u8(..10) < 6 { Duration::ZERO } else { state.up_to(15) }
    }

    fn gather(&self) -> Duration {
        let mut state = self.world.state();
        let slowest = state.session.slowest_commit;
        state.up_to(slowest)
    }

    fn commit(&self) -> Result<(), WriteFault> {
        let fault = {
            let mut state = self.world.state();
            state.commits += 1;
            let commits = state.commits;
            let plan = state.session.disk.filter(|disk| commits >= disk.at_commit);
            let fault = match (plan, state.room_left) {
                (Some(disk), None | Some(0)) => Some(disk.fault),
                (Some(_), Some(room)) => {
                    state.room_left = Some(room - 1);
                    None
                }
                (None, _) => None,
            };
            match fault {
                Some(WriteFault::Full) => state.meet(Met::DiskFull),
                Some(WriteFault::Failed) => state.meet(Met::DiskFailed),
                None => {}
            }
            fault
        };
        self.world.event(format_args!("commit, fault {fault:?}"));
        match fault {
            Some(fault) => Err(fault),
            // A dead process writes nothing.
            None if self.world.is_frozen() => Err(WriteFault::Failed),
            None => Ok(()),
        }
    }

    fn committed(&self) {
        if let Some(books) = self.books.get() {
            books.check_commit();
        }
        self.world.event(format_args!("committed"));
    }

    fn give_up_ballast(&self) {
        let mut state = self.world.state();
        let room = state.session.disk.map_or(0, |disk| disk.room);
        state.room_left = Some(room);
        drop(state);
        if let Some(books) = self.books.get() {
            books.remember_attempts();
        }
        self.world.event(format_args!("the ballast is given up, room for {room}"));
    }
}
