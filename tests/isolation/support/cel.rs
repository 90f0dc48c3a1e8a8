//! The predicates without an API server.

use cel::common::ast::IdedExpr;
use cel::parser::Parser;
use cel::{Context, Value};
use lazarus::api::Isolation;
use lazarus::render::isolation::predicates::{VARIABLES, all};

thread_local! {
    static PARSED: Vec<(&'static str, Isolation, IdedExpr)> =
        all().map(|predicate| (predicate.name, predicate.from, parsed(predicate.cel))).collect();
}

/// A variable is as good as its expression.
fn parsed(cel: &str) -> IdedExpr {
    let text = VARIABLES
        .iter()
        .fold(cel.to_owned(), |text, (name, expression)| text.replace(&format!("variables.{name}"), &format!("({expression})")));
    Parser::new().enable_optional_syntax(true).parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The predicates of this level that don't hold of the pod, in their order.
pub fn lacks(pod: &serde_json::Value, level: Isolation) -> Vec<&'static str> {
    let mut context = Context::default();
    context.add_variable("object", pod).unwrap();
    PARSED.with(|parsed| {
        let demanded = parsed.iter().filter(|(_, from, _)| *from <= level);
        let holds = |name: &str, expression| match Value::resolve(expression, &context) {
            Ok(Value::Bool(holds)) => holds,
            other => panic!("{name} gives {other:?} for {pod}"),
        };
        demanded.filter(|(name, _, expression)| !holds(name, expression)).map(|(name, _, _)| *name).collect()
    })
}
