//! The tree as the `parse_query` endpoint shows it.

use super::ast::{At, Binary, DurationExpr, Expr, ExprKind, Offset, Subquery, VectorSelector};
use super::functions::Signature;
use super::print::plain_number;
use serde_json::{Map, Value, json};

impl Expr {
    pub fn to_json(&self) -> Value {
        match &self.kind {
            ExprKind::Number { value, .. } => json!({"type": "numberLiteral", "val": plain_number(*value)}),
            ExprKind::Str(text) => json!({"type": "stringLiteral", "val": super::literal::shown(text)}),
            ExprKind::Vector(selector) => Value::Object(selector_json("vectorSelector", selector)),
            ExprKind::Matrix(matrix) => {
                let mut object = selector_json("matrixSelector", &matrix.vector);
                object.insert("range".to_owned(), json!(duration_ms(&matrix.range)));
                Value::Object(object)
            }
            ExprKind::Subquery(subquery) => subquery_json(subquery),
            ExprKind::Call(call) => json!({
                "type": "call",
                "func": function_json(call.function.signature()),
                "args": call.args.iter().map(Expr::to_json).collect::<Vec<_>>(),
            }),
            ExprKind::Aggregate(aggregate) => json!({
                "type": "aggregation",
                "op": aggregate.op.as_str(),
                "expr": aggregate.expr.to_json(),
                "param": aggregate.parameter.as_ref().map(Expr::to_json),
                "grouping": aggregate.grouping,
                "without": aggregate.without,
            }),
            ExprKind::Binary(binary) => binary_json(binary),
            ExprKind::Unary(op, inner) => json!({
                "type": "unaryExpr",
                "op": op.as_str(),
                "expr": inner.to_json(),
            }),
            ExprKind::Paren(inner) => json!({"type": "parenExpr", "expr": inner.to_json()}),
        }
    }
}

fn duration_ms(duration: &DurationExpr) -> i64 {
    duration.literal_ms().unwrap_or(0)
}

fn offset_ms(offset: &Offset) -> i64 {
    match offset {
        Offset::Ms(ms) => *ms,
        Offset::None | Offset::Expr(_) => 0,
    }
}

fn at_json(at: Option<At>) -> (Value, Value) {
    match at {
        None => (Value::Null, Value::Null),
        Some(At::Ms(ms)) => (json!(ms), Value::Null),
        Some(At::Start) => (Value::Null, json!("start")),
        Some(At::End) => (Value::Null, json!("end")),
    }
}

fn selector_json(kind: &str, selector: &VectorSelector) -> Map<String, Value> {
    let matchers: Vec<Value> = selector
        .matchers
        .iter()
        .map(|m| json!({"name": m.name, "value": m.value, "type": m.op.as_str()}))
        .collect();
    let (timestamp, start_or_end) = at_json(selector.at);
    let mut out = Map::new();
    out.insert("type".to_owned(), json!(kind));
    out.insert("name".to_owned(), json!(selector.name.as_deref().unwrap_or("")));
    out.insert("offset".to_owned(), json!(offset_ms(&selector.offset)));
    out.insert("matchers".to_owned(), Value::Array(matchers));
    out.insert("timestamp".to_owned(), timestamp);
    out.insert("startOrEnd".to_owned(), start_or_end);
    if selector.anchored {
        out.insert("anchored".to_owned(), json!(true));
    }
    if selector.smoothed {
        out.insert("smoothed".to_owned(), json!(true));
    }
    out
}

fn subquery_json(subquery: &Subquery) -> Value {
    let (timestamp, start_or_end) = at_json(subquery.at);
    json!({
        "type": "subquery",
        "expr": subquery.expr.to_json(),
        "range": duration_ms(&subquery.range),
        "offset": offset_ms(&subquery.offset),
        "step": subquery.step.as_ref().map_or(0, duration_ms),
        "timestamp": timestamp,
        "startOrEnd": start_or_end,
    })
}

fn binary_json(binary: &Binary) -> Value {
    let matching = binary.matching.as_ref().map(|m| {
        json!({
            "card": m.card.as_str(),
            "labels": m.labels,
            "on": m.on,
            "include": m.include,
            "fillValues": {"lhs": m.fill_left, "rhs": m.fill_right},
        })
    });
    json!({
        "type": "binaryExpr",
        "op": binary.op.as_str(),
        "lhs": binary.left.to_json(),
        "rhs": binary.right.to_json(),
        "matching": matching,
        "bool": binary.return_bool,
    })
}

fn function_json(signature: &Signature) -> Value {
    json!({
        "name": signature.name,
        "argTypes": signature.args.iter().map(|t| t.as_str()).collect::<Vec<_>>(),
        "variadic": signature.variadic,
        "returnType": signature.returns.as_str(),
    })
}
