//! `#[lapwing::track]` over functions as people write them: bounds, `where`, early returns, borrowed and opaque results, methods.

fn check(name: &str, outcome: &str, count: u64) {
    let line = format!(
        "lapwing_operations_total{{operation=\"{name}\",outcome=\"{outcome}\",type=\"custom\"}} {count}\n"
    );
    let page = lapwing::sdk::global().exposition();
    assert!(page.contains(&line), "{line}\n{page}");
}

#[lapwing::track]
fn t_plain(x: u32) -> u32 {
    if x == 0 {
        return 9;
    }
    x + 1
}

#[lapwing::track("t_named", kind = "inference", model = "a")]
async fn named<const N: usize, F: Fn(u8) -> u8, T>(f: F, text: T) -> Result<u8, std::num::ParseIntError>
where
    T: AsRef<str>,
{
    let parsed: u8 = text.as_ref().parse()?;
    Ok(f(parsed))
}

struct Model {
    calls: Vec<String>,
}

impl Model {
    #[lapwing::track("t_method")]
    fn last(&mut self, call: &str) -> &mut String {
        self.calls.push(call.to_owned());
        let at = self.calls.len() - 1;
        &mut self.calls[at]
    }

    #[lapwing::track("t_unit")]
    fn clear(&mut self) {
        self.calls.clear();
    }

    #[lapwing::track("t_iterates")]
    fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        self.calls.iter().map(String::len)
    }

    #[lapwing::track("t_borrows")]
    fn first(&self) -> Option<&str> {
        Some(self.calls.first()?.as_str())
    }
}

#[test]
fn goes_over_functions_and_methods() {
    assert_eq!((t_plain(0), t_plain(1)), (9, 2));
    check("t_plain", "success", 2);
    let mut model = Model { calls: Vec::new() };
    model.last("one").push('!');
    assert_eq!(model.first(), Some("one!"));
    assert_eq!(model.lengths().sum::<usize>(), 4);
    model.clear();
    assert_eq!(model.first(), None);
    for (name, count) in [
        ("t_method", 1),
        ("t_unit", 1),
        ("t_iterates", 1),
        ("t_borrows", 2),
    ] {
        check(name, "success", count);
    }
}

#[tokio::test]
async fn an_early_return_by_a_question_mark_is_a_failure() {
    assert_eq!(named::<1, _, _>(|x| x + 1, "4").await, Ok(5));
    assert!(named::<1, _, _>(|x| x, "four").await.is_err());
    let page = lapwing::sdk::global().exposition();
    for outcome in ["success", "error"] {
        let line =
            format!("{{model=\"a\",operation=\"t_named\",outcome=\"{outcome}\",type=\"inference\"}} 1\n");
        assert!(page.contains(&line), "{line}\n{page}");
    }
}
