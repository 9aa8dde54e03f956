//! What is mutated, and whose tests are asked.

/// A package, with what its tests need.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) features: &'static [&'static str],
    /// Packages whose tests are asked too.
    pub(crate) also: &'static [&'static str],
}

const fn part(name: &'static str) -> Part {
    Part { name, features: &[], also: &[] }
}

const SOCKETS: &[&str] = &["lp-connector-conformance"];
const STORES: &[&str] = &["lp-connector-stores"];

// Left out: async-std, it has sixty lines, which the conformance suite tests over sockets.
// Left out: smol, as async-std.
// Left out: tokio, as async-std.
// Left out: lp-connector, it has names of others alone.
// Left out: cli, its tests start a program for each line.
// Left out: postgres, its tests need a server.
pub(crate) const PARTS: [Part; 8] = [
    Part { features: &["tracing"], ..part("core") },
    Part { also: SOCKETS, ..part("async") },
    Part { also: SOCKETS, ..part("ureq") },
    Part { also: SOCKETS, ..part("tls") },
    Part { also: SOCKETS, ..part("axum") },
    Part { features: &["axum", "blocking"], also: SOCKETS, ..part("bridge") },
    Part { features: &["server"], ..part("gateway") },
    Part { also: STORES, ..part("sqlite") },
];

impl Part {
    pub(crate) fn package(&self) -> String {
        format!("lp-connector-{}", self.name)
    }

    /// What `cargo test` is given to build the tests.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            vec!["--lib".into(), "--tests".into(), "--package".into(), self.package()];
        for package in self.also {
            arguments.extend(["--package".into(), (*package).into()]);
        }
        for feature in self.features {
            arguments.extend(["--features".into(), format!("{}/{feature}", self.package())]);
        }
        arguments
    }
}
