//! What a source looks like with its switches.

use super::*;
use crate::listed::{Function, Span};

/// The mutants of this kind that begin where `at` stands in the source.
fn mutants(source: &str, at: &str, genre: Genre, replacements: &[&str]) -> Vec<Mutant> {
    let offset = source.find(at).unwrap();
    let before = &source[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|one| *one != '\n').count() + 1;
    let start = Place { line, column };
    let mutant = |replacement: &&str| Mutant {
        name: String::new(),
        file: "a.rs".into(),
        genre,
        replacement: (*replacement).to_owned(),
        span: Span { start },
        function: Some(Function { return_type: String::new() }),
    };
    replacements.iter().map(mutant).collect()
}

/// The source with switches, whose numbers are their places in the list.
fn switched(source: &str, mutants: &[Mutant]) -> Switched {
    let numbered: Vec<(Number, &Mutant)> = mutants.iter().enumerate().collect();
    let switched = switch(source, &numbered).unwrap();
    syn::parse_file(&switched.text).unwrap();
    switched
}

fn text(source: &str, mutants: &[Mutant]) -> String {
    switched(source, mutants).text.replace("crate::__mutant::", "")
}

#[test]
fn a_comparison_has_each_of_its_operators() {
    let source = "fn f(a: u8, b: u8) -> bool { a < b }";
    assert_eq!(
        text(source, &mutants(source, "< b", Genre::BinaryOperator, &["==", ">"])),
        "fn f(a: u8, b: u8) -> bool { (match (&(a ), &( b)) { (l, r) => \
         if on(0) { l == r } else if on(1) { l > r } else { l < r } }) }"
    );
}

#[test]
fn an_operand_that_is_not_wanted_is_not_evaluated() {
    let source = "fn f(a: bool, b: bool) -> bool { a && b || a }";
    let mut both = mutants(source, "&& b", Genre::BinaryOperator, &["||"]);
    both.extend(mutants(source, "|| a", Genre::BinaryOperator, &["&&"]));
    assert_eq!(
        text(source, &both),
        "fn f(a: bool, b: bool) -> bool { (if ((if (a ) == on(0) { on(0) } else { b }) ) == !on(1) \
         { !on(1) } else { a }) }"
    );
}

#[test]
fn a_function_returns_another_value_first() {
    let source = "fn f() -> u8 { 7 }";
    assert_eq!(
        text(source, &mutants(source, "7", Genre::FnValue, &["0", "1"])),
        "fn f() -> u8 { if on(0) { return 0; } if on(1) { return 1; } 7 }"
    );
}

#[test]
fn a_value_of_a_type_without_a_name_has_no_switch() {
    let source = "fn f() -> impl Iterator<Item = u8> { g() }";
    let mut empty = mutants(source, "g()", Genre::FnValue, &["::std::iter::empty()"]);
    for mutant in &mut empty {
        mutant.function = Some(Function { return_type: "-> impl Iterator<Item = u8>".into() });
    }
    assert!(switched(source, &empty).numbers.is_empty());
}

#[test]
fn an_arm_goes_or_its_guard_changes() {
    let source = "fn f(a: u8) -> u8 { match a { 1 if a > 0 => 2, 3 => 4, _ => 5 } }";
    let mut all = mutants(source, "1 if", Genre::MatchArm, &[""]);
    all.extend(mutants(source, "a > 0", Genre::MatchArmGuard, &["true", "false"]));
    all.extend(mutants(source, "3 =>", Genre::MatchArm, &[""]));
    assert_eq!(
        text(source, &all),
        "fn f(a: u8) -> u8 { match a { 1 if !on(0) && (on(1) || !on(2) && (a > 0)) => 2, \
         3 if !on(3) => 4, _ => 5 } }"
    );
}

#[test]
fn a_sum_is_assigned_by_its_other_operators() {
    let source = "fn f(mut a: u8) { a += 1; }";
    assert_eq!(
        text(source, &mutants(source, "+= 1", Genre::BinaryOperator, &["-="])),
        "fn f(mut a: u8) { match (1) { r => if on(0) { a -= r } else { a += r } }; }"
    );
}

#[test]
fn a_negation_may_be_left_out() {
    let source = "fn f(a: bool) -> bool { !a }";
    assert_eq!(
        text(source, &mutants(source, "!a", Genre::UnaryOperator, &[""])),
        "fn f(a: bool) -> bool { (match (a) { v => if on(0) { v } else { !v } }) }"
    );
}

#[test]
fn what_the_compiler_computes_has_no_switch() {
    let source = "const A: u8 = 1 + 2; const fn f() -> u8 { 3 + 4 }";
    let mut both = mutants(source, "+ 2", Genre::BinaryOperator, &["-"]);
    both.extend(mutants(source, "+ 4", Genre::BinaryOperator, &["-"]));
    let switched = switched(source, &both);
    assert_eq!((switched.numbers, switched.constant), (vec![1], vec![1]));
}

#[test]
fn a_condition_beside_a_let_never_compiles() {
    let source = "fn f(a: bool, b: Option<u8>) { if a && let Some(_) = b {} }";
    let and = mutants(source, "&& let", Genre::BinaryOperator, &["||"]);
    let switched = switched(source, &and);
    assert_eq!((switched.numbers, switched.never), (vec![], vec![0]));
}

#[test]
fn no_condition_of_a_chain_with_a_let_has_a_switch() {
    let source = "fn f(a: bool, b: Option<u8>) { if a && a && let Some(c) = b && c < 3 {} }";
    let mut all = mutants(source, "&& a", Genre::BinaryOperator, &["||"]);
    all.extend(mutants(source, "&& let", Genre::BinaryOperator, &["||"]));
    all.extend(mutants(source, "&& c", Genre::BinaryOperator, &["||"]));
    all.extend(mutants(source, "< 3", Genre::BinaryOperator, &["=="]));
    let switched = switched(source, &all);
    let sorted = |mut numbers: Vec<Number>| {
        numbers.sort_unstable();
        numbers
    };
    assert_eq!((switched.numbers, sorted(switched.never)), (vec![3], vec![0, 1, 2]));
}

#[test]
fn an_error_is_of_the_smallest_switch_around_it() {
    let source = "fn f(a: u8, b: u8) -> bool { a + 1 < b }";
    let mut both = mutants(source, "< b", Genre::BinaryOperator, &["=="]);
    both.extend(mutants(source, "+ 1", Genre::BinaryOperator, &["-"]));
    let switched = switched(source, &both);
    let at = |part: &str| {
        let start = switched.text.find(part).unwrap();
        switched.whose(&(start..start + part.len()))
    };
    assert_eq!([at("l == r"), at("l - r"), at("l < r")], [vec![0], vec![1], vec![0]]);
    // Of the source itself: the sum's operand is within both.
    assert_eq!(at("1"), [1]);
    assert!(at("fn f").is_empty());
}
