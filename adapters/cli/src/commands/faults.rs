//! The faults of a running sandbox.

use lp_connector_sandbox::control::{Control, v1};
use serde_json::json;

use super::conversations::age;
use crate::args::{FaultNumber, Faults};
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Table;

pub(crate) fn run(control: &Control, command: &Faults, output: &Output) -> Result<(), Failure> {
    match command {
        Faults::List => list(control, output),
        Faults::Add { faults } => {
            // All are right, or none is added.
            for fault in faults {
                fault.parse::<lp_connector_sandbox::Fault>().map_err(Failure::Usage)?;
            }
            for fault in faults {
                show(&control.add_fault(fault)?, output);
            }
            Ok(())
        }
        Faults::On { number: FaultNumber::One(number) } => {
            show(&control.switch_fault(*number, true)?, output);
            Ok(())
        }
        Faults::On { number: FaultNumber::All } => {
            for fault in control.faults()?.faults.iter().filter(|fault| !fault.on) {
                control.switch_fault(fault.n, true)?;
            }
            list(control, output)
        }
        Faults::Off { number: FaultNumber::One(number) } => {
            show(&control.switch_fault(*number, false)?, output);
            Ok(())
        }
        Faults::Off { number: FaultNumber::All } => {
            control.switch_faults_off()?;
            list(control, output)
        }
        Faults::Remove { number, .. } => {
            let number = match number {
                Some(FaultNumber::One(number)) => Some(*number),
                Some(FaultNumber::All) | None => None,
            };
            control.remove_faults(number)?;
            let line = match number {
                Some(number) => format!("fault {number} is removed"),
                None => "all faults are removed".to_owned(),
            };
            output.done(&json!({"event": "faults_removed", "number": number}), line);
            Ok(())
        }
        Faults::Presets { name: Some(name) } => {
            for fault in control.add_preset(name)? {
                show(&fault, output);
            }
            Ok(())
        }
        Faults::Presets { name: None } => {
            let mut table = Table::new(&["PRESET", "TITLE", "FAULTS"]);
            for preset in control.faults()?.presets {
                output.event_alone(&json!({"event": "fault_preset", "name": preset.name,
                    "title": preset.title, "faults": preset.faults}));
                table.row([preset.name, preset.title, preset.faults.join(" ")]);
            }
            table.print(output);
            Ok(())
        }
    }
}

fn list(control: &Control, output: &Output) -> Result<(), Failure> {
    let faults = control.faults()?.faults;
    let mut table = Table::new(&["N", "STATE", "FAULT", "WHAT HAPPENS", "APPLIED", "LAST"]);
    for fault in faults {
        output.event_alone(&describe(&fault));
        let ago = |at| format!("{} ago", age(at));
        table.row([
            fault.n.to_string(),
            state(&fault).to_owned(),
            fault.text.clone(),
            fault.sentence.clone(),
            applied(&fault),
            fault.last.map(ago).unwrap_or_default(),
        ]);
    }
    if table.is_empty() {
        output.remark("everything works: there is no fault");
    }
    table.print(output);
    Ok(())
}

/// Whether a fault is on, in one word: one that has been applied as often as it can be is not.
fn state(fault: &v1::NumberedFault) -> &'static str {
    match fault.on {
        true if is_spent(fault) => "spent",
        true => "on",
        false => "off",
    }
}

/// Whether a fault has been applied as often as it can be.
fn is_spent(fault: &v1::NumberedFault) -> bool {
    fault.of.is_some_and(|of| fault.applied >= of)
}

/// How often a fault was applied.
fn applied(fault: &v1::NumberedFault) -> String {
    match fault.of {
        Some(of) => format!("{} of {of}", fault.applied),
        None => fault.applied.to_string(),
    }
}

fn show(fault: &v1::NumberedFault, output: &Output) {
    let on = state(fault);
    let (n, applied) = (fault.n, applied(fault));
    let line = format!("fault {n} is {on}: {}; {}; applied {applied}", fault.text, fault.sentence);
    output.done(&describe(fault), line);
}

fn describe(fault: &v1::NumberedFault) -> serde_json::Value {
    json!({"event": "sandbox_fault", "number": fault.n, "fault": fault.text,
        "sentence": fault.sentence, "on": fault.on, "spent": is_spent(fault), "counted": fault.counted,
        "applied": fault.applied, "of": fault.of, "last": fault.last})
}
