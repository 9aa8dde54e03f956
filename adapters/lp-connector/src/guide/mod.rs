//! Guides, one for each subject. With all features they run as tests, against the sandbox.
//!
//! | guide | it answers |
//! |---|---|
//! | [`retries`] | What is retried, and when? Can a message arrive twice? |
//! | [`errors`] | What failed? Did it take effect? What does the program do now? |
//! | [`webhooks`] | How does a program receive what agents say, and lose nothing? |
//! | [`testing`] | How is a connector tested without an account? |
//! | [`bridge`] | How does a connector lose nothing and double nothing, whatever dies? |
//! | [`capacity`] | How much does a bridge carry? |
//! | [`deployment`] | What does a connector need in production? |
//! | [`architecture`] | How is this library built, and what does it promise? |
//!
//! New here? The [front page](crate) has a program that sends and one that receives.

/// Includes a page. Its examples need clients, axum, the bridge, its stores and the sandbox: without these features it is read, and
/// not tested.
///
/// A page ends with definitions of its links for those who read it in the repository. Here the first definition counts: that in
/// `links.txt`, which is a path.
#[rustfmt::skip] // It would be indented further each time.
macro_rules! page {
    ($name:ident, $file:literal) => {
        #[cfg_attr(
            any(
                not(doctest),
                all(
                    feature = "axum",
                    feature = "bridge",
                    feature = "postgres",
                    feature = "sandbox",
                    feature = "sqlite",
                    feature = "tokio",
                    feature = "ureq"
                )
            ),
            doc = include_str!("links.txt"),
            doc = include_str!($file)
        )]
        pub mod $name {}
    };
}

page!(retries, "retries.md");
page!(errors, "errors.md");
page!(webhooks, "webhooks.md");
page!(testing, "testing.md");
page!(bridge, "bridge.md");
page!(capacity, "capacity.md");
page!(deployment, "deployment.md");
page!(architecture, "architecture.md");
