//! What a gateway may just post: the sizes, to the byte, the types of media, the statuses of receipts.

use super::*;

/// What becomes of a message: `ok`, or the type of the problem.
fn slug(body: &str) -> &'static str {
    parse_message(body.as_bytes(), &Rules::new("sms:"))
        .map_or_else(|problem| problem.slug(), |_| "ok")
}

#[test]
fn a_text_has_at_most_5000_characters_a_caption_3800() {
    let png = r#","media":{"type":"image/png","data":"iVBORw0KGgo="}"#;
    let of = |size: usize, media: &str| {
        let text = "x".repeat(size);
        slug(&format!(r#"{{"id":"SM1","consumer":"ada","text":"{text}"{media}}}"#))
    };
    assert_eq!([of(5000, ""), of(5001, "")], ["ok", "text-too-long"]);
    assert_eq!([of(3800, png), of(3801, png)], ["ok", "text-too-long"]);
}

#[test]
fn a_body_has_at_most_4_718_592_bytes() {
    let call = r#"{"id":"SM1","consumer":"ada","text":"Coo?"}"#;
    // Blanks after a call say nothing, but count.
    let of = |size: usize| slug(&(call.to_owned() + &" ".repeat(size - call.len())));
    assert_eq!([of(4_718_592), of(4_718_593)], ["ok", "too-large"]);
}

#[test]
fn media_over_the_limit_is_refused_before_it_is_decoded() {
    let of = |size: usize| {
        let data = STANDARD.encode(vec![7_u8; size]);
        slug(&format!(
            r#"{{"id":"MM1","consumer":"ada","media":{{"type":"image/png","data":"{data}"}}}}"#
        ))
    };
    // What is decoded and then found to be too large would be `invalid`.
    assert_eq!([of(3_000_000), of(3_000_001)], ["ok", "too-large"]);
}

#[test]
fn the_type_of_media_decides_whatever_its_name_is() {
    for (media_type, shown) in [
        ("image/jpeg", r#"File { file_type: "JPG", len: 5, .. }"#),
        ("image/png", r#"File { file_type: "PNG", len: 5, .. }"#),
        ("image/gif", r#"File { file_type: "GIF", len: 5, .. }"#),
    ] {
        let media = MediaBody {
            media_type: media_type.to_owned(),
            name: Some("ring.bmp".to_owned()),
            data: "Ynl0ZXM=".to_owned(),
        };
        assert_eq!(format!("{:?}", file(media, None).unwrap()), shown);
    }
}

#[test]
fn each_status_of_a_receipt_is_read() {
    for (status, receipt) in [
        ("delivered", ChannelReceipt::Delivered),
        ("read", ChannelReceipt::Read),
        ("failed", ChannelReceipt::Failed),
    ] {
        let body = format!(r#"{{"consumer":"ada","messages":["5f0c:c:7"],"status":"{status}"}}"#);
        let receipts = parse_receipts(body.as_bytes(), &Rules::new("sms:")).unwrap();
        assert_eq!(receipts.receipt, receipt);
    }
}

#[test]
fn what_may_be_missing_may_be_null() {
    let message = r#"{"id":"SM1","consumer":"ada","text":"Coo?","media":null,"open":null}"#;
    assert_eq!(slug(message), "ok");
    let close = br#"{"id":"C1","consumer":"ada","survey":null}"#;
    assert_eq!(parse_close(close, &Rules::new("sms:")).unwrap().inbound.kind(), "close");
}
