//! The memory of each cached consumer and conversation, measured in processes of their own.

use crate::BenchError;
use std::process::Command;

use crate::cases::caches;
use crate::machine;
use crate::report::MemoryUse;

/// Fills a cache, and prints the bytes that its entries take together.
pub(crate) fn hold(what: &str, count: usize) -> Result<(), BenchError> {
    let before = machine::memory().ok_or("the memory of a process is unknown on this system")?;
    let mut held = caches::idle(what, count);
    let after = machine::memory().unwrap_or(before);
    held();
    println!("{}", after.saturating_sub(before));
    Ok(())
}

pub(crate) fn measure(quick: bool) -> Result<Vec<MemoryUse>, BenchError> {
    let mut measured = Vec::new();
    let counts: &[usize] = if quick { &[10_000] } else { &[10_000, 1_000_000] };
    for what in ["consumers", "conversations"] {
        for count in counts {
            let mut one = Command::new(std::env::current_exe()?);
            let output = one.args(["hold", what, &count.to_string()]).output()?;
            let bytes: Option<u64> = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
            if let Some(bytes) = bytes {
                let bytes_each = bytes as f64 / *count as f64;
                measured.push(MemoryUse { what: what.to_owned(), count: *count, bytes_each });
            }
        }
    }
    Ok(measured)
}
