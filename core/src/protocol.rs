#![doc = include_str!("../protocol.md")]
#![expect(
    rustdoc::broken_intra_doc_links,
    reason = "the reference is a document of its own, in which [D] says how certain a statement is"
)]
