//! What the async adapters add to the client that they share.

fn lines_of_code(source: &str) -> usize {
    let code = source.lines().map(str::trim).filter(|line| !line.is_empty());
    code.filter(|line| !line.starts_with("//")).count()
}

#[test]
fn each_shim_has_the_lines_of_code_that_it_says() {
    for (front_page, code) in [
        (
            include_str!("../../../adapters/tokio/src/lib.rs"),
            include_str!("../../../adapters/tokio/src/runtime.rs"),
        ),
        (
            include_str!("../../../adapters/smol/src/lib.rs"),
            include_str!("../../../adapters/smol/src/runtime.rs"),
        ),
        (
            include_str!("../../../adapters/async-std/src/lib.rs"),
            include_str!("../../../adapters/async-std/src/runtime.rs"),
        ),
    ] {
        let (before, _) = front_page.split_once(" lines of code").unwrap();
        let said: usize = before.rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(lines_of_code(code), said);
        assert!(said <= 60, "a shim decides nothing");
    }
}
