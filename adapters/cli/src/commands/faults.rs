//! The faults of a running sandbox.

use lp_connector_sandbox::control::{Control, v1};
use serde_json::json;

use super::conversations::age;
use crate::args::Faults;
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
        Faults::On { number } => {
            show(&control.switch_fault(*number, true)?, output);
            Ok(())
        }
        Faults::Off { number: Some(number) } => {
            show(&control.switch_fault(*number, false)?, output);
            Ok(())
        }
        Faults::Off { number: None } => {
            control.switch_faults_off()?;
            list(control, output)
        }
        Faults::Remove { number, .. } => {
            control.remove_faults(*number)?;
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
    let mut table = Table::new(&["N", "ON", "FAULT", "WHAT HAPPENS", "APPLIED", "LAST"]);
    for fault in faults {
        output.event_alone(&describe(&fault));
        let ago = |at| format!("{} ago", age(at));
        table.row([
            fault.n.to_string(),
            if fault.on { "on" } else { "off" }.to_owned(),
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

/// How often a fault was applied.
fn applied(fault: &v1::NumberedFault) -> String {
    match fault.of {
        Some(of) => format!("{} of {of}", fault.applied),
        None => fault.applied.to_string(),
    }
}

fn show(fault: &v1::NumberedFault, output: &Output) {
    let on = if fault.on { "on" } else { "off" };
    let (n, applied) = (fault.n, applied(fault));
    let line = format!("fault {n} is {on}: {}; {}; applied {applied}", fault.text, fault.sentence);
    output.done(&describe(fault), line);
}

fn describe(fault: &v1::NumberedFault) -> serde_json::Value {
    json!({"event": "sandbox_fault", "number": fault.n, "fault": fault.text,
        "sentence": fault.sentence, "on": fault.on, "counted": fault.counted,
        "applied": fault.applied, "of": fault.of, "last": fault.last})
}
