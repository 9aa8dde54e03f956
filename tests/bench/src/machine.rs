//! The machine of the measurements, and the resources of this process.

use std::fs;
use std::process::Command;
use std::thread;

use crate::report::Machine;

/// Describes the machine.
pub(crate) fn describe() -> Machine {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned());
    Machine {
        processor,
        cores: thread::available_parallelism().map_or(1, std::num::NonZero::get),
        system: command_output("uname", &["-sr"])
            .unwrap_or_else(|| std::env::consts::OS.to_owned()),
        compiler: command_output("rustc", &["--version"]).unwrap_or_default(),
        valgrind: command_output("valgrind", &["--version"]),
    }
}

fn command_output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Pins this process to one core, so that client and server do not share one. Does nothing where that is
/// impossible.
pub(crate) fn pin_to_core(core: usize) {
    #[cfg(target_os = "linux")]
    if thread::available_parallelism().is_ok_and(|cores| cores.get() > core) {
        let mut cores = rustix::thread::CpuSet::new();
        cores.set(core);
        // Fails in containers that forbid it.
        let _ = rustix::thread::sched_setaffinity(None, &cores);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}

/// The processor time of this process, in microseconds; 0 if it is unknown.
pub(crate) fn cpu_time() -> f64 {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
    }
    #[cfg(not(target_os = "linux"))]
    0.0
}

/// The resident memory of this process, in bytes, if it is known.
pub(crate) fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = held.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The bytes that this process has written, if it is known.
pub(crate) fn bytes_written() -> Option<u64> {
    let io = fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("wchar: "))?.trim().parse().ok()
}
