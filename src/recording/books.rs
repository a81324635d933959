//! The verdict on the accounting that proves that nothing was missed.

use super::model::Books;

impl Books {
    /// What does not balance in the books of a run that has ended; empty if all does.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut expect = |what: &str, left: u64, right: u64| {
            if left != right {
                faults.push(format!("the books don't balance: {what}: {left} against {right}"));
            }
        };
        expect(
            "syscalls entered, against returned or closed otherwise",
            self.enters,
            self.exits - self.exits_of_calls_under_way.min(self.exits)
                + self.enters_closed_otherwise,
        );
        expect("threads born, against gone", self.threads_born, self.threads_gone);
        expect("stops, against resumes", self.stops, self.stops_ended);
        expect("births that nothing explains", self.births_unexplained, 0);
        expect("events lost", self.lost, 0);
        faults
    }

    /// Whether nothing was lost in a run that has ended.
    pub fn balance(&self) -> bool {
        self.faults().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced() -> Books {
        Books {
            enters: 10,
            exits: 9,
            enters_closed_otherwise: 2,
            exits_of_calls_under_way: 1,
            threads_born: 3,
            threads_gone: 3,
            stops: 20,
            stops_ended: 20,
            births_unexplained: 0,
            lost: 0,
        }
    }

    #[test]
    fn books_that_balance_have_no_faults() {
        assert_eq!(balanced().faults(), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_loss_is_a_fault() {
        let broken: [fn(&mut Books); 6] = [
            |b| b.enters += 1,
            |b| b.exits += 1,
            |b| b.threads_gone -= 1,
            |b| b.stops_ended -= 1,
            |b| b.births_unexplained = 1,
            |b| b.lost = 1,
        ];
        for break_it in broken {
            let mut books = balanced();
            break_it(&mut books);
            assert_eq!(books.faults().len(), 1, "{books:?}");
        }
    }
}
