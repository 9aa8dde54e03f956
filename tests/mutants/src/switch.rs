//! Writes a source that has all its mutants in it, each behind a switch.
//!
//! Text is inserted and nothing is moved, so that lines stay lines: where a compiler's error is says whose text it is.
//! An expression is written once, whatever is done with its value: `a < b` becomes
//! `match (&(a), &(b)) { (l, r) => if on(7) { l == r } else if on(8) { l > r } else { l < r } }`. Expressions within `a` and
//! `b` have their switches too.
//!
//! An operator is another one of the same operands. cargo-mutants writes another text in its place, which may bind its operands
//! otherwise: its `a || b && c` is `(a || b) && c` here.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::listed::{Genre, Mutant, Place};

/// A mutant's number: its place in the list of all.
pub(crate) type Number = usize;

/// A source with switches.
#[derive(Debug)]
pub(crate) struct Switched {
    pub(crate) text: String,
    /// The text that was inserted, and for which mutants.
    pub(crate) inserted: Vec<(Range<usize>, Vec<Number>)>,
    /// What is within an operator's switch, from its first operand to its last.
    pub(crate) enclosed: Vec<(Range<usize>, Vec<Number>)>,
    /// Those that have a switch here.
    pub(crate) numbers: Vec<Number>,
    /// Those of them that are in a `const fn`: the compiler may have computed its value.
    pub(crate) constant: Vec<Number>,
    /// Those that never compile: `||` beside a `let`.
    pub(crate) never: Vec<Number>,
}

struct Insertion {
    at: usize,
    /// What ends at a place stands before what begins there.
    begins: bool,
    /// Of what begins at one place, the outer comes first; of what ends there, the inner.
    order: i64,
    /// How much of the source it replaces.
    replaces: usize,
    text: String,
    whose: Vec<Number>,
}

struct Switches<'a> {
    source: &'a str,
    at: HashMap<Place, Vec<(Number, &'a Mutant)>>,
    insertions: Vec<Insertion>,
    enclosed: Vec<(Range<usize>, Vec<Number>)>,
    numbers: Vec<Number>,
    constant: Vec<Number>,
    never: Vec<Number>,
    order: i64,
    /// Within a `const fn`, and within what only the compiler computes.
    in_const_fn: bool,
    in_const: bool,
    /// Within an `&&` that has a `let` among its conditions.
    in_let_chain: bool,
}

/// The source with a switch for each of these mutants that can have one.
///
/// # Errors
/// The parser's, if this is not Rust.
pub(crate) fn switch(source: &str, mutants: &[(Number, &Mutant)]) -> Result<Switched, syn::Error> {
    let file = syn::parse_file(source)?;
    let mut at: HashMap<Place, Vec<(Number, &Mutant)>> = HashMap::new();
    for (number, mutant) in mutants {
        at.entry(mutant.span.start).or_default().push((*number, mutant));
    }
    let mut switches = Switches {
        source,
        at,
        insertions: Vec::new(),
        enclosed: Vec::new(),
        numbers: Vec::new(),
        constant: Vec::new(),
        never: Vec::new(),
        order: 0,
        in_const_fn: false,
        in_const: false,
        in_let_chain: false,
    };
    switches.visit_file(&file);
    Ok(switches.written())
}

fn on(number: Number) -> String {
    format!("crate::__mutant::on({number})")
}

impl<'a> Switches<'a> {
    /// The mutants of these genres that begin here.
    fn of(&self, start: LineColumn, genres: &[Genre]) -> Vec<(Number, &'a Mutant)> {
        let place = Place { line: start.line, column: start.column + 1 };
        if self.in_const {
            return Vec::new();
        }
        let mut found = self.at.get(&place).cloned().unwrap_or_default();
        found.retain(|(_, mutant)| genres.contains(&mutant.genre));
        found
    }

    fn begin(&mut self, at: usize, text: String, whose: &[Number]) {
        self.order += 1;
        let order = self.order;
        self.insertions.push(Insertion {
            at,
            begins: true,
            order,
            replaces: 0,
            text,
            whose: whose.to_vec(),
        });
    }

    fn end(&mut self, at: usize, order: i64, text: String, whose: &[Number]) {
        self.insertions.push(Insertion {
            at,
            begins: false,
            order: -order,
            replaces: 0,
            text,
            whose: whose.to_vec(),
        });
    }

    fn replace(&mut self, range: Range<usize>, text: String, whose: &[Number]) {
        self.order += 1;
        let (at, replaces, order) = (range.start, range.len(), self.order);
        self.insertions.push(Insertion {
            at,
            begins: true,
            order,
            replaces,
            text,
            whose: whose.to_vec(),
        });
    }

    fn switched(&mut self, numbers: &[Number]) {
        self.numbers.extend(numbers);
        if self.in_const_fn {
            self.constant.extend(numbers);
        }
    }

    /// An expression, and the switches around it.
    fn around(
        &mut self,
        range: Range<usize>,
        before: String,
        after: Vec<(String, Vec<Number>)>,
        whose: &[Number],
    ) {
        self.begin(range.start, before, whose);
        let order = self.order;
        self.enclosed.push((range.clone(), whose.to_vec()));
        for (step, (text, whose)) in after.into_iter().enumerate() {
            // In the order in which they are given: each further one counts as further out.
            let order = order * 64 - i64::try_from(step).unwrap_or(63);
            self.end(range.end, order, text, &whose);
        }
        self.switched(whose);
    }

    /// `if on(1) { … } else if on(2) { … } else { … }`, each condition with its owner.
    fn choice(
        found: &[(Number, &Mutant)],
        original: &str,
        write: impl Fn(&str) -> String,
    ) -> Vec<(String, Vec<Number>)> {
        let mut text: Vec<(String, Vec<Number>)> = found
            .iter()
            .map(|(number, mutant)| {
                (
                    format!("if {} {{ {} }} else ", on(*number), write(&mutant.replacement)),
                    vec![*number],
                )
            })
            .collect();
        let all = found.iter().map(|(number, _)| *number).collect();
        text.push((format!("{{ {} }}", write(original)), all));
        text
    }

    fn binary(&mut self, binary: &syn::ExprBinary) {
        let found = self.of(binary.op.span().start(), &[Genre::BinaryOperator]);
        if found.is_empty() {
            return;
        }
        let numbers: Vec<Number> = found.iter().map(|(number, _)| *number).collect();
        let op = self.source.get(binary.op.span().byte_range()).unwrap_or_default().to_owned();
        let whole = binary.left.span().byte_range().start..binary.right.span().byte_range().end;
        let at_op = binary.op.span().byte_range();
        match op.as_str() {
            "&&" | "||" => {
                if self.in_let_chain {
                    self.never.extend(numbers);
                    return;
                }
                let [(number, _)] = found.as_slice() else { return };
                let value = if op == "&&" { on(*number) } else { format!("!{}", on(*number)) };
                self.around(whole, "(if (".into(), vec![(" })".into(), numbers.clone())], &numbers);
                self.replace(at_op, format!(") == {value} {{ {value} }} else {{"), &numbers);
            }
            "==" | "!=" | "<" | ">" | "<=" | ">=" => {
                let borrow = if self.in_const_fn { "" } else { "&" };
                let mut after = vec![(")) { (l, r) => ".into(), numbers.clone())];
                after.extend(Self::choice(&found, &op, |op| format!("l {op} r")));
                after.push((" })".into(), numbers.clone()));
                self.around(whole, format!("(match ({borrow}("), after, &numbers);
                self.replace(at_op, format!("), {borrow}("), &numbers);
            }
            assigned if assigned.ends_with('=') => {
                let place =
                    self.source.get(binary.left.span().byte_range()).unwrap_or_default().to_owned();
                let mut after = vec![(") { r => ".into(), numbers.clone())];
                after.extend(Self::choice(&found, &op, |op| format!("{place} {op} r")));
                after.push((" }".into(), numbers.clone()));
                let at_right = binary.right.span().byte_range();
                self.around(at_right.clone(), String::new(), after, &numbers);
                self.replace(whole.start..at_right.start, "match (".into(), &numbers);
            }
            _ => {
                let mut after = vec![(")) { (l, r) => ".into(), numbers.clone())];
                after.extend(Self::choice(&found, &op, |op| format!("l {op} r")));
                after.push((" })".into(), numbers.clone()));
                self.around(whole, "(match ((".into(), after, &numbers);
                self.replace(at_op, "), (".into(), &numbers);
            }
        }
    }

    fn unary(&mut self, unary: &syn::ExprUnary) {
        let found = self.of(unary.op.span().start(), &[Genre::UnaryOperator]);
        let [(number, _)] = found.as_slice() else { return };
        let number = *number;
        let op = self.source.get(unary.op.span().byte_range()).unwrap_or_default().to_owned();
        let whole = unary.op.span().byte_range().start..unary.expr.span().byte_range().end;
        let after = format!(") {{ v => if {} {{ v }} else {{ {op}v }} }})", on(number));
        self.around(whole, "(match (".into(), vec![(after, vec![number])], &[number]);
        self.replace(unary.op.span().byte_range(), String::new(), &[number]);
    }

    fn arm(&mut self, arm: &syn::Arm) {
        let mut start = arm.pat.span().start();
        if let Some(attribute) = arm.attrs.first() {
            start = attribute.span().start();
        }
        let deleted: Vec<Number> =
            self.of(start, &[Genre::MatchArm]).iter().map(|(number, _)| *number).collect();
        let Some((_, guard)) = &arm.guard else {
            let [number] = deleted.as_slice() else { return };
            self.order += 1;
            self.end(
                arm.pat.span().byte_range().end,
                self.order,
                format!(" if !{}", on(*number)),
                &[*number],
            );
            self.switched(&[*number]);
            return;
        };
        let guards = self.of(guard.span().start(), &[Genre::MatchArmGuard]);
        let mut before = String::new();
        for number in &deleted {
            before.push_str(&format!("!{} && ", on(*number)));
        }
        before.push('(');
        for (number, mutant) in &guards {
            match mutant.replacement.as_str() {
                "true" => before.push_str(&format!("{} || ", on(*number))),
                "false" => before.push_str(&format!("!{} && ", on(*number))),
                _ => return,
            }
        }
        // `a || !b && (guard)`: with one of them on at a time, any order is right.
        before.push('(');
        let mut numbers = deleted;
        numbers.extend(guards.iter().map(|(number, _)| *number));
        if numbers.is_empty() || has_let(guard) {
            return;
        }
        self.around(
            guard.span().byte_range(),
            before,
            vec![("))".into(), numbers.clone())],
            &numbers,
        );
    }

    /// Of each function with a body: the switch that returns another value.
    fn function(&mut self, block: &syn::Block) {
        let Some(first) = block.stmts.first() else { return };
        let found = self.of(first.span().start(), &[Genre::FnValue]);
        let at = first.span().byte_range().start;
        let last = block.stmts.last().map_or(at, |last| last.span().byte_range().end);
        for (number, mutant) in found {
            // Both values would have to be of one type, which has no name.
            if mutant
                .function
                .as_ref()
                .is_some_and(|function| function.return_type.contains("impl "))
            {
                continue;
            }
            self.enclosed.push((at..last, vec![number]));
            let text = format!("if {} {{ return {}; }} ", on(number), mutant.replacement);
            self.begin(at, text, &[number]);
            self.switched(&[number]);
        }
    }

    fn written(mut self) -> Switched {
        self.insertions.sort_by_key(|one| (one.at, one.begins, one.order));
        let mut text = String::new();
        let mut inserted = Vec::new();
        let mut places = BTreeMap::new();
        let mut from = 0;
        let mut lost: Vec<Number> = Vec::new();
        for one in &self.insertions {
            if one.at < from {
                // Within what another switch replaces: that has it as it is.
                lost.extend(&one.whose);
                continue;
            }
            text.push_str(self.source.get(from..one.at).unwrap_or_default());
            places.insert(one.at, text.len());
            let start = text.len();
            text.push_str(&one.text);
            inserted.push((start..text.len(), one.whose.clone()));
            from = one.at + one.replaces;
        }
        text.push_str(self.source.get(from..).unwrap_or_default());
        let place = |at: usize| {
            let (key, value) =
                places.range(..=at).next_back().map_or((0, 0), |(key, value)| (*key, *value));
            value + (at - key)
        };
        let enclosed = self
            .enclosed
            .iter()
            .map(|(range, whose)| (place(range.start)..place(range.end), whose.clone()))
            .collect();
        self.numbers.retain(|number| !lost.contains(number));
        Switched {
            text,
            inserted,
            enclosed,
            numbers: self.numbers,
            constant: self.constant,
            never: self.never,
        }
    }
}

fn has_let(expression: &syn::Expr) -> bool {
    struct Lets(bool);
    impl Visit<'_> for Lets {
        fn visit_expr_let(&mut self, _: &syn::ExprLet) {
            self.0 = true;
        }
    }
    let mut lets = Lets(false);
    lets.visit_expr(expression);
    lets.0
}

/// Whether a condition of this `&&`, or of one that is directly in it, is a `let`.
fn has_condition_with_let(binary: &syn::ExprBinary) -> bool {
    [&*binary.left, &*binary.right].into_iter().any(|condition| match condition {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(inner) if matches!(inner.op, syn::BinOp::And(_)) => {
            has_condition_with_let(inner)
        }
        _ => false,
    })
}

impl<'ast> Visit<'ast> for Switches<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let outer = std::mem::replace(&mut self.in_const_fn, item.sig.constness.is_some());
        self.function(&item.block);
        visit::visit_item_fn(self, item);
        self.in_const_fn = outer;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let outer = std::mem::replace(&mut self.in_const_fn, item.sig.constness.is_some());
        self.function(&item.block);
        visit::visit_impl_item_fn(self, item);
        self.in_const_fn = outer;
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        let outer = std::mem::replace(&mut self.in_const, true);
        visit::visit_item_const(self, item);
        self.in_const = outer;
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        let outer = std::mem::replace(&mut self.in_const, true);
        visit::visit_impl_item_const(self, item);
        self.in_const = outer;
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        let outer = std::mem::replace(&mut self.in_const, true);
        visit::visit_item_static(self, item);
        self.in_const = outer;
    }

    fn visit_type(&mut self, _: &'ast syn::Type) {
        // The length of an array: the compiler's alone.
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let is_and = matches!(binary.op, syn::BinOp::And(_));
        let is_chain = is_and && (self.in_let_chain || has_condition_with_let(binary));
        let outer = std::mem::replace(&mut self.in_let_chain, is_chain);
        self.binary(binary);
        for condition in [&*binary.left, &*binary.right] {
            // What is not an `&&` itself is a condition of its own.
            self.in_let_chain = is_chain && matches!(condition, syn::Expr::Binary(_));
            self.visit_expr(condition);
        }
        self.in_let_chain = outer;
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        self.unary(unary);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, of: &'ast syn::ExprMatch) {
        let starts = of
            .arms
            .iter()
            .map(|arm| arm.attrs.first().map_or(arm.pat.span(), Spanned::span).start());
        let arms: Vec<Number> = starts
            .flat_map(|start| self.of(start, &[Genre::MatchArm]))
            .map(|(number, _)| number)
            .collect();
        // Without one of these, others may have to say what they left to it.
        self.enclosed.push((of.span().byte_range(), arms));
        visit::visit_expr_match(self, of);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.arm(arm);
        visit::visit_arm(self, arm);
    }
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
