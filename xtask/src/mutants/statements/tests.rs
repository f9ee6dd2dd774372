//! What counts as a statement.

use super::super::Function;
use super::*;

const SOURCE: &str = "\
impl Tcb {
    fn check(&mut self) -> Check {
        let n = 1;
        if n > self.most {
            // No more.
            return discard(Why::Full);
        }
        self.check_ack(n)?;
        self.record(|| Trace {
            n,
        });
        match n {
            1 => self.count += 1,
            _ => {
                self.count += 2;
            }
        }
        Self { n }.done()
    }
}
";

#[test]
fn each_statement_of_a_function_can_be_left_out() {
    let place = |line, column| Place { line, column };
    let span = Span { start: place(2, 5), end: place(19, 6) };
    let function = Function { function_name: "Tcb::check".to_owned(), return_type: "-> Check".to_owned(), span };
    let like = Variant {
        file: "a.rs".to_owned(),
        name: String::new(),
        function: Some(function),
        span,
        replacement: String::new(),
    };
    let variants = of_function(SOURCE, &like);
    let names: Vec<&str> = variants.iter().map(|variant| &*variant.name).collect();
    assert_eq!(
        names,
        [
            "a.rs:6:13: leave out return discard(Why::Full) in Tcb::check",
            "a.rs:8:9: leave out self.check_ack(n)? in Tcb::check",
            "a.rs:9:9: leave out self.record(|| Trace { n, }) in Tcb::check",
            "a.rs:15:17: leave out self.count += 2 in Tcb::check",
        ]
    );
    let ends: Vec<_> = variants.iter().map(|variant| (variant.span.end.line, variant.span.end.column)).collect();
    assert_eq!(ends, [(6, 39), (8, 28), (11, 12), (15, 33)]);
}
