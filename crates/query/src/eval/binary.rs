//! Operators between two vectors: which series belong together, and what comes of them.
//!
//! Series are matched once, by their labels; values are then combined step by step. For `group_right` the sides are swapped,
//! so that "many" is always on the left; values are swapped back when they meet.

use super::element::{Operand, combine};
use super::grid::{Cell, METRIC_LABELS, cell, is_absent};
use super::{Evaluated, Evaluator, Grid, Steps, merge_same_labels, stream};
use crate::annotation::Annotations;
use crate::error::QueryError;
use crate::promql::{Binary, BinaryOp, Cardinality, Matching, Span, ValueType, label_name, quote};
use crate::result::SampleValue;
use hashbrown::HashMap;
use lapwing_types::Labels;

impl Evaluator<'_> {
    pub(super) fn binary(&self, binary: &Binary, span: Span, steps: Steps) -> Evaluated<Grid> {
        if binary.left.value_type() != ValueType::Vector || binary.right.value_type() != ValueType::Vector {
            return self.scalar_and_vector(binary, span, steps);
        }
        let left = self.vector(&binary.left, steps)?;
        let right = self.vector(&binary.right, steps)?;
        let Some(matching) = &binary.matching else {
            return Err(QueryError::execution(
                "operation between vectors without matching",
            ));
        };
        let (left_sigs, right_sigs, count) = signatures(&left, &right, matching);
        match binary.op {
            BinaryOp::And => Ok(masked(
                left,
                &left_sigs,
                &presence(&right, &right_sigs, count),
                true,
            )),
            BinaryOp::Unless => Ok(masked(
                left,
                &left_sigs,
                &presence(&right, &right_sigs, count),
                false,
            )),
            BinaryOp::Or => {
                let right = masked(right, &right_sigs, &presence(&left, &left_sigs, count), false);
                let mut out = left;
                out.single_name = false;
                out.append(right);
                out.single_name = false;
                merge_same_labels(out)
            }
            _ => {
                let join = Join {
                    binary,
                    matching,
                    span,
                    delayed: self.options.delayed_name_removal,
                };
                let mut result = Ok(Grid::new(0));
                self.annotate(|notes| {
                    result = join.run((&left, &left_sigs), (&right, &right_sigs), count, notes);
                });
                result
            }
        }
    }

    /// A vector side that cannot be streamed.
    fn scalar_and_vector(&self, binary: &Binary, span: Span, steps: Steps) -> Evaluated<Grid> {
        let scalar_is_left = binary.left.value_type() == ValueType::Scalar;
        let (scalar, vector) = match scalar_is_left {
            true => (&binary.left, &binary.right),
            false => (&binary.right, &binary.left),
        };
        let scalar = self.scalar(scalar, steps)?;
        let mut grid = self.vector(vector, steps)?;
        let op = super::element::ScalarOp {
            op: binary.op,
            scalar: &scalar,
            scalar_is_left,
            return_bool: binary.return_bool,
            span,
        };
        self.annotate(|notes| op.apply(&mut grid, notes));
        grid.drop_empty_rows();
        self.settle(grid, stream::drops_strictly(vector))
    }
}

fn key_of(labels: &Labels, matching: &Matching, key: &mut Vec<u8>) {
    key.clear();
    for (name, value) in labels {
        let named = matching.labels.iter().any(|l| l == name);
        if if matching.on {
            named
        } else {
            !named && !METRIC_LABELS.contains(&name)
        } {
            key.extend_from_slice(name.as_bytes());
            key.push(0xff);
            key.extend_from_slice(value.as_bytes());
            key.push(0xff);
        }
    }
}

/// For each row of both sides, the number of its match group.
fn signatures(left: &Grid, right: &Grid, matching: &Matching) -> (Vec<usize>, Vec<usize>, usize) {
    let mut known: HashMap<Vec<u8>, usize> = HashMap::with_capacity(left.len().max(right.len()));
    let mut key = Vec::new();
    let mut number = |grid: &Grid| -> Vec<usize> {
        grid.rows
            .iter()
            .map(|row| {
                key_of(&row.labels, matching, &mut key);
                if let Some(number) = known.get(&key) {
                    return *number;
                }
                let next = known.len();
                known.insert(key.clone(), next);
                next
            })
            .collect()
    };
    let (left, right) = (number(left), number(right));
    (left, right, known.len())
}

/// For each match group and step, whether a series has a value.
fn presence(grid: &Grid, sigs: &[usize], count: usize) -> Vec<bool> {
    let mut out = vec![false; count * grid.steps];
    for (row, sig) in sigs.iter().enumerate() {
        let flags = &mut out[sig * grid.steps..(sig + 1) * grid.steps];
        for (flag, value) in flags.iter_mut().zip(grid.column(row)) {
            *flag |= !is_absent(*value);
        }
    }
    out
}

/// Cells whose group's flag is `wanted`.
fn masked(mut grid: Grid, sigs: &[usize], flags: &[bool], wanted: bool) -> Grid {
    let steps = grid.steps;
    for (row, sig) in sigs.iter().enumerate() {
        let flags = &flags[sig * steps..(sig + 1) * steps];
        for (value, flag) in grid.column_mut(row).iter_mut().zip(flags) {
            if *flag != wanted {
                *value = super::grid::ABSENT;
            }
        }
    }
    grid.drop_empty_rows();
    grid
}

struct Join<'a> {
    binary: &'a Binary,
    matching: &'a Matching,
    span: Span,
    delayed: bool,
}

type Side<'a> = (&'a Grid, &'a [usize]);

/// The result as it grows.
struct Joined {
    grid: Grid,
    rows: HashMap<Labels, usize>,
    /// For each cell, the match group that filled it, plus one.
    taken: Vec<usize>,
    /// For match groups with several series on the "many" side: the steps at which one has matched.
    matched: HashMap<usize, Vec<bool>>,
}

impl Join<'_> {
    fn run(
        &self,
        left: (&Grid, &Vec<usize>),
        right: (&Grid, &Vec<usize>),
        count: usize,
        notes: &mut Annotations,
    ) -> Evaluated<Grid> {
        let swapped = self.matching.card == Cardinality::OneToMany;
        let (many, one): (Side<'_>, Side<'_>) = if swapped {
            ((right.0, right.1), (left.0, left.1))
        } else {
            ((left.0, left.1), (right.0, right.1))
        };
        let (many_fill, one_fill) = (self.matching.fill_left, self.matching.fill_right);
        let mut ones: Vec<Vec<usize>> = vec![Vec::new(); count];
        for (row, sig) in one.1.iter().enumerate() {
            ones[*sig].push(row);
        }
        self.check_one_side(one, many, &ones)?;
        let mut sizes = vec![0usize; count];
        many.1.iter().for_each(|sig| sizes[*sig] += 1);
        let steps = many.0.steps;
        let mut out = Joined {
            grid: Grid::new(steps),
            rows: HashMap::new(),
            taken: Vec::new(),
            matched: HashMap::new(),
        };
        for (row, sig) in many.1.iter().enumerate() {
            let pair_many = (many.0, row);
            let track = sizes[*sig] > 1 || many_fill.is_some();
            for one_row in &ones[*sig] {
                self.pair((pair_many, (one.0, *one_row)), (*sig, track), &mut out, notes)?;
            }
            if let Some(fill) = one_fill {
                let lacks =
                    (0..steps).map(|step| ones[*sig].iter().all(|row| is_absent(one.0.at(*row, step))));
                let lacks: Vec<bool> = lacks.collect();
                self.fill_one((pair_many, &lacks), (*sig, fill), &mut out, notes)?;
            }
        }
        if let Some(fill) = many_fill {
            for (row, sig) in one.1.iter().enumerate() {
                self.fill_many((one.0, row), (*sig, fill), &mut out, notes)?;
            }
        }
        out.grid.drop_empty_rows();
        Ok(out.grid)
    }

    /// No two series of the "one" side may meet the same partner.
    fn check_one_side(&self, one: Side<'_>, many: Side<'_>, ones: &[Vec<usize>]) -> Evaluated<()> {
        if ones.iter().all(|rows| rows.len() < 2) {
            return Ok(());
        }
        let steps = one.0.steps;
        let any_many: Vec<bool> = (0..steps)
            .map(|step| (0..many.0.len()).any(|row| !is_absent(many.0.at(row, step))))
            .collect();
        let fills = self.matching.fill_left.is_some() || self.matching.fill_right.is_some();
        for rows in ones.iter().filter(|rows| rows.len() > 1) {
            for step in (0..steps).filter(|step| fills || any_many[*step]) {
                let mut present = rows.iter().filter(|row| !is_absent(one.0.at(**row, step)));
                let (Some(first), Some(second)) = (present.next(), present.next()) else {
                    continue;
                };
                return Err(self.duplicate(&one.0.rows[*first].labels, &one.0.rows[*second].labels));
            }
        }
        Ok(())
    }

    fn duplicate(&self, a: &Labels, b: &Labels) -> QueryError {
        let side = if self.matching.card == Cardinality::OneToMany {
            "left"
        } else {
            "right"
        };
        let group = braces(&self.match_labels(a));
        let mut both = [braces(a), braces(b)];
        both.sort();
        QueryError::execution(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{}, {}]\
             ;many-to-many matching not allowed: matching labels must be unique on one side",
            both[0], both[1]
        ))
    }

    fn match_labels(&self, labels: &Labels) -> Labels {
        if self.matching.on {
            return labels.keep(&self.matching.labels);
        }
        labels.drop(&self.matching.labels).without_name()
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let mut builder = many.to_builder();
        if self.binary.op.changes_meaning() || (self.binary.return_bool && !self.delayed) {
            METRIC_LABELS.iter().for_each(|name| {
                builder.remove(name);
            });
        }
        let mut labels = builder.build();
        if self.matching.card == Cardinality::OneToOne {
            labels = if self.matching.on {
                labels.keep(&self.matching.labels)
            } else {
                labels.drop(&self.matching.labels)
            };
        }
        if self.matching.include.is_empty() {
            return labels;
        }
        let mut builder = labels.to_builder();
        for name in &self.matching.include {
            builder.set(name, one.get(name).unwrap_or(""));
        }
        builder.build()
    }

    /// Combines two rows at every step at which both have a value.
    fn pair(
        &self,
        ((many, many_row), (one, one_row)): ((&Grid, usize), (&Grid, usize)),
        (sig, track): (usize, bool),
        out: &mut Joined,
        notes: &mut Annotations,
    ) -> Evaluated<()> {
        let mut row = None;
        for step in 0..many.steps {
            let (a, b) = (many.at(many_row, step), one.at(one_row, step));
            if is_absent(a) || is_absent(b) {
                continue;
            }
            let (left, right) = (operand(many, a), operand(one, b));
            let Some(value) = self.combine(&left, &right, notes) else {
                continue;
            };
            if track {
                self.mark_matched(sig, step, many.steps, out)?;
            }
            let row = *row.get_or_insert_with(|| {
                let labels = self.result_labels(&many.rows[many_row].labels, &one.rows[one_row].labels);
                out.row(labels, self.binary.return_bool)
            });
            self.put(out, (row, step), sig, value)?;
        }
        Ok(())
    }

    /// Puts `fill` in the place of the "one" side at the steps where it lacks a value.
    fn fill_one(
        &self,
        ((many, many_row), lacks): ((&Grid, usize), &[bool]),
        (sig, fill): (usize, f64),
        out: &mut Joined,
        notes: &mut Annotations,
    ) -> Evaluated<()> {
        let labels = &many.rows[many_row].labels;
        for (step, lacks) in lacks.iter().enumerate() {
            let a = many.at(many_row, step);
            if is_absent(a) || !lacks {
                continue;
            }
            if let Some(value) = self.combine(&operand(many, a), &Operand::Float(fill), notes) {
                self.mark_matched(sig, step, many.steps, out)?;
                let row = out.row(
                    self.result_labels(labels, &self.match_labels(labels)),
                    self.binary.return_bool,
                );
                self.put(out, (row, step), sig, value)?;
            }
        }
        Ok(())
    }

    /// Puts `fill` in the place of the "many" side where nothing has met this row.
    fn fill_many(
        &self,
        (one, one_row): (&Grid, usize),
        (sig, fill): (usize, f64),
        out: &mut Joined,
        notes: &mut Annotations,
    ) -> Evaluated<()> {
        let labels = &one.rows[one_row].labels;
        for step in 0..one.steps {
            let b = one.at(one_row, step);
            let is_matched = out.matched.get(&sig).is_some_and(|steps| steps[step]);
            if is_absent(b) || is_matched {
                continue;
            }
            if let Some(value) = self.combine(&Operand::Float(fill), &operand(one, b), notes) {
                let row = out.row(
                    self.result_labels(&self.match_labels(labels), labels),
                    self.binary.return_bool,
                );
                self.put(out, (row, step), sig, value)?;
            }
        }
        Ok(())
    }

    /// The value and whether it stays; nothing where the operator does not fit.
    fn combine(
        &self,
        many: &Operand<'_>,
        one: &Operand<'_>,
        notes: &mut Annotations,
    ) -> Option<(SampleValue, bool)> {
        let swapped = self.matching.card == Cardinality::OneToMany;
        let (left, right) = if swapped { (one, many) } else { (many, one) };
        let (value, keep) = combine(self.binary.op, left, right, self.span, notes)?;
        if self.binary.return_bool {
            return Some((SampleValue::Float(if keep { 1.0 } else { 0.0 }), true));
        }
        Some((value, keep))
    }

    fn mark_matched(&self, sig: usize, step: usize, steps: usize, out: &mut Joined) -> Evaluated<()> {
        let flags = out.matched.entry(sig).or_insert_with(|| vec![false; steps]);
        if flags[step] && self.matching.card == Cardinality::OneToOne {
            return Err(QueryError::execution(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            ));
        }
        flags[step] = true;
        Ok(())
    }

    fn put(
        &self,
        out: &mut Joined,
        (row, step): (usize, usize),
        sig: usize,
        (value, keep): (SampleValue, bool),
    ) -> Evaluated<()> {
        let at = row * out.grid.steps + step;
        if out.taken[at] == sig + 1 {
            return Err(QueryError::execution(
                "multiple matches for labels: grouping labels must ensure unique matches",
            ));
        }
        if !keep {
            if out.taken[at] == 0 {
                out.taken[at] = sig + 1;
            }
            return Ok(());
        }
        if !is_absent(out.grid.at(row, step)) {
            return Err(QueryError::same_labels());
        }
        out.taken[at] = sig + 1;
        out.grid.set_value(row, step, value);
        Ok(())
    }
}

impl Joined {
    fn row(&mut self, labels: Labels, drop_name: bool) -> usize {
        let grid = &mut self.grid;
        let row = *self
            .rows
            .entry(labels)
            .or_insert_with_key(|labels| grid.push_row(labels.clone(), drop_name));
        self.taken.resize(grid.cells.len(), 0);
        row
    }
}

fn operand(grid: &Grid, value: f64) -> Operand<'_> {
    match cell(value) {
        Cell::Histogram(index) => Operand::Histogram(&grid.histograms[index]),
        _ => Operand::Float(value),
    }
}

/// All labels in braces, the name among them.
pub(super) fn braces(labels: &Labels) -> String {
    let parts: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{}={}", label_name(name), quote(value)))
        .collect();
    format!("{{{}}}", parts.join(", "))
}
