//! Types: what may stand where. The messages are the ones that users of Prometheus know.

use super::ast::{
    Aggregate, AggregateOp, Binary, Call, Cardinality, Expr, ExprKind, Span, UnaryOp, ValueType,
    VectorSelector,
};
use super::functions::Function;
use super::parser::Fault;
use lapwing_types::METRIC_NAME;

type Checked = Result<(), Fault>;

pub(super) fn check(mut expr: Expr, input: &str) -> Result<Expr, Fault> {
    visit(&mut expr, input)?;
    Ok(expr)
}

fn visit(expr: &mut Expr, input: &str) -> Checked {
    let span = expr.span;
    match &mut expr.kind {
        ExprKind::Number { .. } | ExprKind::Str(_) => Ok(()),
        ExprKind::Vector(selector) => check_selector(selector, span),
        ExprKind::Matrix(matrix) => check_selector(&matrix.vector, span),
        ExprKind::Paren(inner) => visit(inner, input),
        ExprKind::Unary(op, inner) => {
            visit(inner, input)?;
            check_unary(*op, inner, span)
        }
        ExprKind::Subquery(subquery) => {
            visit(&mut subquery.expr, input)?;
            match subquery.expr.value_type() {
                ValueType::Vector => Ok(()),
                other => Err(Fault::new(
                    span,
                    format!(
                        "subquery is only allowed on instant vector, got {} instead",
                        other.as_str()
                    ),
                )),
            }
        }
        ExprKind::Aggregate(aggregate) => check_aggregate(aggregate, input),
        ExprKind::Binary(binary) => check_binary(binary, span, input),
        ExprKind::Call(call) => check_call(call, span, input),
    }
}

fn check_unary(_op: UnaryOp, inner: &Expr, span: Span) -> Checked {
    match inner.value_type() {
        ValueType::Scalar | ValueType::Vector => Ok(()),
        other => Err(Fault::new(
            span,
            format!(
                "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                other.documented()
            ),
        )),
    }
}

fn check_selector(selector: &VectorSelector, span: Span) -> Checked {
    if let Some(name) = &selector.name {
        let inside = &selector.matchers[..selector.matchers.len().saturating_sub(1)];
        return match inside.iter().find(|m| m.name == METRIC_NAME) {
            Some(second) => Err(Fault::new(
                span,
                format!(
                    "metric name must not be set twice: {name:?} or {:?}",
                    second.value
                ),
            )),
            None => Ok(()),
        };
    }
    if selector.matchers.iter().any(|m| !m.matches("")) {
        return Ok(());
    }
    Err(Fault::new(
        span,
        "vector selector must contain at least one non-empty matcher",
    ))
}

fn expect_type(expr: &Expr, wanted: ValueType, context: &str) -> Checked {
    let found = expr.value_type();
    if found == wanted {
        return Ok(());
    }
    Err(Fault::new(
        expr.span,
        format!(
            "expected type {} in {context}, got {}",
            wanted.documented(),
            found.documented()
        ),
    ))
}

fn check_aggregate(aggregate: &mut Aggregate, input: &str) -> Checked {
    visit(&mut aggregate.expr, input)?;
    expect_type(&aggregate.expr, ValueType::Vector, "aggregation expression")?;
    let Some(parameter) = &mut aggregate.parameter else {
        return Ok(());
    };
    visit(parameter, input)?;
    let wanted = match aggregate.op {
        AggregateOp::CountValues => ValueType::Str,
        _ => ValueType::Scalar,
    };
    expect_type(parameter, wanted, "aggregation parameter")
}

fn check_binary(binary: &mut Binary, span: Span, input: &str) -> Checked {
    visit(&mut binary.left, input)?;
    visit(&mut binary.right, input)?;
    let (left, right) = (binary.left.value_type(), binary.right.value_type());
    let op = binary.op;
    let between = || operator_span(binary.left.span.end, binary.right.span.start, input);
    if binary.return_bool && !op.is_comparison() {
        return Err(Fault::new(
            between(),
            "bool modifier can only be used on comparison operators",
        ));
    }
    let both_scalar = left == ValueType::Scalar && right == ValueType::Scalar;
    if op.is_comparison() && !binary.return_bool && both_scalar {
        return Err(Fault::new(
            between(),
            "comparisons between scalars must use BOOL modifier",
        ));
    }
    if let Some(matching) = &mut binary.matching {
        if op.is_set() && matching.card == Cardinality::OneToOne {
            matching.card = Cardinality::ManyToMany;
        }
        let twice = matching.labels.iter().find(|l| matching.include.contains(l));
        if let Some(label) = twice.filter(|_| matching.on) {
            let message = format!("label {label:?} must not occur in ON and GROUP clause at once");
            return Err(Fault::new(
                operator_span(binary.left.span.end, binary.right.span.start, input),
                message,
            ));
        }
    }
    for side in [&binary.left, &binary.right] {
        if !matches!(side.value_type(), ValueType::Scalar | ValueType::Vector) {
            let message = "binary expression must contain only scalar and instant vector types";
            return Err(Fault::new(side.span, message));
        }
    }
    check_matching(binary, span)
}

fn check_matching(binary: &mut Binary, span: Span) -> Checked {
    let both_vectors =
        binary.left.value_type() == ValueType::Vector && binary.right.value_type() == ValueType::Vector;
    let op = binary.op;
    let fault = |message: String| Err(Fault::new(span, message));
    if let Some(matching) = &binary.matching {
        let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
        if !both_vectors {
            if !matching.labels.is_empty() {
                return fault("vector matching only allowed between instant vectors".to_owned());
            }
            if fills {
                return fault("filling in missing series only allowed between instant vectors".to_owned());
            }
        } else if op.is_set() {
            if matching.card != Cardinality::ManyToMany {
                return fault(format!("no grouping allowed for {:?} operation", op.as_str()));
            }
            if fills {
                return fault("filling in missing series not allowed for set operators".to_owned());
            }
        }
    }
    if !both_vectors {
        binary.matching = None;
        if op.is_set() {
            return fault(format!(
                "set operator {:?} not allowed in binary scalar expression",
                op.as_str()
            ));
        }
    }
    Ok(())
}

/// The text between two operands without blanks around it.
fn operator_span(from: usize, to: usize, input: &str) -> Span {
    let text = input.get(from..to).unwrap_or("");
    let start = from + (text.len() - text.trim_start().len());
    Span {
        start,
        end: start + text.trim().len(),
    }
}

fn check_call(call: &mut Call, span: Span, input: &str) -> Checked {
    let signature = call.function.signature();
    let (wanted, given) = (signature.args.len(), call.args.len());
    let name = signature.name;
    if signature.variadic == 0 {
        if given != wanted {
            let message = format!("expected {wanted} argument(s) in call to {name:?}, got {given}");
            return Err(Fault::new(span, message));
        }
    } else {
        let least = wanted - 1;
        if given < least {
            let message = format!("expected at least {least} argument(s) in call to {name:?}, got {given}");
            return Err(Fault::new(span, message));
        }
        if let Ok(more) = usize::try_from(signature.variadic)
            && given > least + more
        {
            let most = least + more;
            let message = format!("expected at most {most} argument(s) in call to {name:?}, got {given}");
            return Err(Fault::new(span, message));
        }
    }
    for (index, arg) in call.args.iter_mut().enumerate() {
        let is_info_selector = call.function == Function::Info && index == 1;
        if is_info_selector {
            check_info_selector(arg, name)?;
        } else {
            visit(arg, input)?;
        }
        let wanted = signature.args[index.min(signature.args.len() - 1)];
        expect_type(arg, wanted, &format!("call to function {name:?}"))?;
    }
    Ok(())
}

/// The second argument of `info` is a selector of labels: no name before the braces, and it may match everything.
fn check_info_selector(arg: &Expr, function: &str) -> Checked {
    expect_type(arg, ValueType::Vector, &format!("call to function {function:?}"))?;
    match &arg.kind {
        ExprKind::Vector(selector) if selector.name.is_none() => Ok(()),
        ExprKind::Vector(_) => Err(Fault::new(
            arg.span,
            "expected label selectors only, got vector selector instead",
        )),
        _ => Err(Fault::new(arg.span, "expected label selectors only")),
    }
}
