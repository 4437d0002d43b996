//! x
#[test]
fn t() {
    let s = std::time::Instant::now();
    let n = stent_testkit::model::only_make(0..256);
    println!("make {n} {:?}", s.elapsed());
    let s = std::time::Instant::now();
    for (name, count) in stent_testkit::model::tally(0..256) {
        println!("{count:>6} {name}");
    }
    println!("tally {:?}", s.elapsed());
}
