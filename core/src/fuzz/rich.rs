//! Structured content: its elements, its actions and its plain text.

use crate::webhook::{Action, Element, QuickReplies, RichContent};

/// The plain text numbers all that can be clicked.
pub(super) fn read_rich(rich: &RichContent<'_>) {
    let clickable = rich.clickable();
    let text = rich.to_text();
    assert!(clickable.is_empty() || text.contains(&format!("[{}]", clickable.len())), "{text}");
    let root = rich.root();
    read_element(root);
    let mut replies = 0;
    if let Some(quick) = rich.quick_replies() {
        read_replies(quick);
        replies = quick.replies().count();
    }
    assert_eq!(count_clickable(root) + replies, clickable.len());
}

/// The JSON reader bounds the depth.
fn count_clickable(element: Element<'_>) -> usize {
    let own = element.raw().get("click").is_some_and(|click| click.is_object());
    usize::from(own) + element.elements().map(count_clickable).sum::<usize>()
}

/// Each reply is a line with its number.
pub(super) fn read_replies(quick: &QuickReplies<'_>) {
    let count = quick.replies().count();
    assert_eq!(format!("{quick:?}"), format!("QuickReplies({count})"));
    let text = quick.to_text();
    assert!(count == 0 || text.starts_with("[1] ") && text.contains(&format!("[{count}] ")));
    let listed = quick.raw().get("replies").map_or(0, |all| match all.is_array() {
        true => all.elements().count(),
        false => usize::from(!all.is_null()),
    });
    assert_eq!(count, listed);
    quick.replies().for_each(read_element);
}

fn read_element(element: Element<'_>) {
    assert_eq!(format!("{element:?}"), format!("Element({})", element.kind()));
    let raw = |name: &str| element.raw().get(name).and_then(|member| member.as_str());
    if let Some(label) = element.label() {
        let mut names = ["text", "title", "caption", "tooltip", "alt"].into_iter();
        assert!(!label.is_empty() && names.any(|name| raw(name) == Some(label)));
    }
    assert!(element.url().is_none_or(|url| raw("url") == Some(url)));
    if let Some(metadata) = element.click_metadata() {
        assert!(
            element.raw().get("click").and_then(|click| click.get("metadata")) == Some(metadata)
        );
    }
    for action in element.actions() {
        let shown = format!("{action:?}");
        assert!(matches!(
            (action, &*shown),
            (Action::PublishText(_), "PublishText(..)")
                | (Action::Link(_), "Link(..)")
                | (Action::Navigate(..), "Navigate(..)")
                | (Action::Other(_), "Other(..)")
        ));
    }
    element.elements().for_each(read_element);
}
