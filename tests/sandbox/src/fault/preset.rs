//! Faults that belong together, by a name.

/// Some faults with a name, for what goes wrong most often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FaultPreset {
    /// The name, such as `503-storm`.
    pub name: &'static str,
    /// The name to show.
    pub title: &'static str,
    /// The faults, in the syntax of [`Fault`](crate::Fault).
    pub faults: &'static [&'static str],
}

/// The presets.
pub const FAULT_PRESETS: [FaultPreset; 7] = [
    FaultPreset {
        name: "token-revoked",
        title: "Token revoked",
        faults: &["consumer:1=revoke-app", "conversation:1=revoke-app", "send:1=revoke-app"],
    },
    FaultPreset {
        name: "503-storm",
        title: "503 storm",
        faults: &["token=503", "consumer=503", "conversation=503", "send=503"],
    },
    FaultPreset {
        name: "rate-limited",
        title: "Rate limited",
        faults: &["send:1-3=429,retry-after:2"],
    },
    FaultPreset {
        name: "responses-lost",
        title: "Responses lost",
        faults: &["conversation:1=drop-after", "send:1-3=drop-after"],
    },
    FaultPreset {
        name: "slow",
        title: "Slow",
        faults: &[
            "token=delay:2s",
            "consumer=delay:2s",
            "conversation=delay:2s",
            "send=delay:2s",
            "webhook=delay:2s",
        ],
    },
    FaultPreset {
        name: "login-page",
        title: "Login page",
        faults: &["token:1=html", "consumer:1=html", "conversation:1=html", "send:1=html"],
    },
    FaultPreset {
        name: "webhooks-doubled-and-reordered",
        title: "Webhooks doubled and reordered",
        faults: &["webhook=duplicate", "webhook=reorder"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    #[test]
    fn every_preset_parses() {
        for preset in FAULT_PRESETS {
            for fault in preset.faults {
                assert!(fault.parse::<Fault>().is_ok(), "{fault}");
            }
        }
    }
}
