//! Every measurement works at a small size, and its figures are those of the work that was asked for.

use super::{BATCH, Draw, Link, Plan, contenders, footprint, speed};

#[test]
fn bulk_moves_what_was_asked_for() {
    for mut contender in contenders() {
        for link in [Link::ETHERNET, Link::SOCKETS, Link::OFFLOADED, Link::JUMBO] {
            let bulk = contender.bulk(link, 1 << 20).unwrap();
            assert!(bulk.bytes >= 1 << 20, "{} over {link:?}", contender.name());
            let longest = if link.checksums { 1460 } else { 65_495 };
            let mean = bulk.bytes / bulk.segments;
            assert!(
                mean <= longest && mean * 2 > longest.min(2 * 1460),
                "{}: {mean} bytes a segment",
                contender.name()
            );
        }
    }
}

#[test]
fn connections_open_and_close_again_and_again() {
    for mut contender in contenders() {
        contender.open_exchange_close(20, 1).unwrap();
        contender.open_exchange_close(20, 7).unwrap();
    }
}

#[test]
fn packets_among_many_connections() {
    for mut contender in contenders() {
        let mut crowd = contender.crowd(50).unwrap();
        assert!((0..200).all(|round| crowd.round(round * 7 % 50).is_ok()));
        assert!(crowd.round(50).is_err());
        let some: Vec<usize> = (0..BATCH).map(|index| index * 3 % 50).collect();
        assert!((0..20).all(|_| crowd.batch(&some).is_ok()));
        assert!(crowd.batch(&[7, 50]).is_err());
        assert!(contender.idle(50).is_ok());
    }
}

#[test]
fn a_report_has_every_measure() {
    let plan = Plan { only: String::new(), runs: 1, bulk_bytes: 1 << 20, connections: 10, crowd: 40, rounds: 10 };
    let report = speed(&mut contenders(), &plan);
    assert_eq!(report.notes, Vec::<String>::new());
    assert_eq!(report.rows.len(), 15 * contenders().len());
    assert!(report.rows.iter().all(|row| row.median > 0.0));
    let report = footprint(&mut contenders(), &plan, || 0);
    assert_eq!(report.notes, Vec::<String>::new());
}

#[test]
fn draws_cover_the_range() {
    let mut draw = Draw::default();
    let mut seen = [false; 10];
    (0..1000).for_each(|_| seen[draw.below(10)] = true);
    assert_eq!(seen, [true; 10]);
    assert_eq!(draw.below(0), 0);
}
