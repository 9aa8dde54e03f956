//! Whether the machine is quiet, and who else used it meanwhile.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::BenchError;
use crate::bridge;
use crate::report::Section;

/// The load average of the last minute above which nothing is measured.
pub(crate) const LOAD: f64 = 0.3;

/// How many processors of others during a section make its figures doubtful.
const OTHERS: f64 = 0.1;

/// True if others used the machine during this section. In the bridge's, the database is one of them.
pub(crate) fn was_busy(section: &Section) -> bool {
    section.name != bridge::SECTION && section.others.is_some_and(|others| others > OTHERS)
}

/// How long to wait for it: what was built just before is forgotten after some minutes.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until the load is low enough.
///
/// # Errors
/// The load stays above the limit, so that the figures would mean nothing.
pub(crate) fn wait() -> Result<(), BenchError> {
    let began = Instant::now();
    let mut said = false;
    while let Some(load) = load().filter(|load| *load > LOAD) {
        if began.elapsed() > PATIENCE {
            return Err(format!(
                "the load is {load}, and above {LOAD} for five minutes: stop what else runs, or measure with --busy, \
                 which says so in the report"
            )
            .into());
        }
        if !said {
            eprintln!("the load is {load}: waits until it is {LOAD} at most");
            said = true;
        }
        thread::sleep(Duration::from_secs(2));
    }
    Ok(())
}

/// The load average of the last minute.
pub(crate) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// What the machine did during a section.
pub(crate) struct Watch {
    name: &'static str,
    began: Instant,
    load: Option<f64>,
    times: Option<(f64, f64)>,
}

impl Watch {
    pub(crate) fn begin(name: &'static str) -> Self {
        eprintln!("{name}");
        Self { name, began: Instant::now(), load: load(), times: times() }
    }

    pub(crate) fn end(self) -> Section {
        let seconds = self.began.elapsed().as_secs_f64();
        let others = self.times.zip(times()).map(|(before, after)| {
            let (all, own) = (after.0 - before.0, after.1 - before.1);
            ((all - own) / 100.0 / seconds).max(0.0)
        });
        Section { name: self.name.to_owned(), seconds, load_before: self.load, others }
    }
}

/// Hundredths of a second of processor time: of the whole machine, and of this process with the children that it has
/// waited for.
fn times() -> Option<(f64, f64)> {
    let all = fs::read_to_string("/proc/stat").ok()?;
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    Some((busy(&all)?, of_process(&own)?))
}

/// The processor time that this machine's programs used, in seconds; not what its host took.
pub(crate) fn machine_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    Some((busy(&stat)? - stolen(&stat)?) / 100.0)
}

/// user, nice, system, irq, softirq and steal of the first line; not idle and iowait.
fn busy(stat: &str) -> Option<f64> {
    let columns = columns(stat);
    let at = |index: usize| columns.get(index).copied();
    Some(at(0)? + at(1)? + at(2)? + at(5)? + at(6)? + at(7)?)
}

/// What the host of a virtual machine took while this had something to do, if it says so.
fn stolen(stat: &str) -> Option<f64> {
    columns(stat).get(7).copied()
}

fn columns(stat: &str) -> Vec<f64> {
    let words = stat.lines().next().unwrap_or_default().split_whitespace();
    words.skip(1).map_while(|word| word.parse().ok()).collect()
}

/// utime, stime, cutime and cstime: the 14th to 17th column. The second is a name in parentheses, which may have
/// spaces.
fn of_process(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let columns = rest.split_whitespace().skip(11).take(4);
    columns.map(|word| word.parse::<f64>().ok()).sum()
}

/// User and system time of this process, in microseconds, to a hundredth of a second.
pub(crate) fn user_and_system() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut columns = rest.split_whitespace().skip(11).map(|word| word.parse::<f64>().ok());
    Some((columns.next()?? * 1e4, columns.next()?? * 1e4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_are_read_past_a_name_with_spaces() {
        let stat = "7 (a (b) c) R 1 7 7 0 -1 4194304 108 0 0 0 11 22 33 44 20 0 1 0";
        assert_eq!(of_process(stat), Some(110.0));
        assert_eq!(of_process("nothing"), None);
    }

    #[test]
    fn what_the_host_took_is_no_work_of_this_machine() {
        let stat = "cpu  1 2 4 1000 1000 8 16 32 0 0\ncpu0 9 9 9 9 9 9 9 9 9 9";
        assert_eq!((busy(stat), stolen(stat)), (Some(63.0), Some(32.0)));
        assert_eq!((busy("cpu 1 2"), stolen("")), (None, None));
    }

    #[test]
    fn a_section_beside_others_was_busy_but_for_the_bridges() {
        let was_busy = |name: &str, others| {
            was_busy(&Section { name: name.to_owned(), others, ..Section::default() })
        };
        assert!(was_busy("memory", Some(0.11)) && !was_busy("memory", Some(0.1)));
        assert!(!was_busy("memory", None) && !was_busy(bridge::SECTION, Some(2.0)));
    }

    #[test]
    fn idle_time_is_not_busy_time() {
        assert_eq!(busy("cpu  1 2 4 1000 500 8 16 32 0 0\ncpu0 1"), Some(63.0));
        assert_eq!(busy(""), None);
    }
}
