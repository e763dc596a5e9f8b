use std::ops::ControlFlow;
use std::collections::BTreeMap;
use turnstile::{explore, workers};
fn main() {
    let mut args = std::env::args().skip(1);
    let from: u64 = args.next().unwrap().parse().unwrap();
    let to: u64 = args.next().unwrap().parse().unwrap();
    let start = std::time::Instant::now();
    let mut rules: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let (mut records, mut virt, mut n) = (0usize, 0f64, 0u64);
    let mut bad_parse = 0;
    explore::explore(from..to, workers::all_cores(), Default::default(), |_| {}, |explored| {
        n += 1;
        let yaml = explored.scenario.to_yaml();
        match turnstile_scenarios::Scenario::parse(&yaml, std::path::Path::new("x.yaml")) {
            Ok(again) if again == explored.scenario => {}
            Ok(_) => { bad_parse += 1; println!("seed {} differs", explored.seed) }
            Err(e) => { bad_parse += 1; println!("seed {}: {e}\n{yaml}", explored.seed) }
        }
        match &explored.verdict {
            Ok(v) => { records += v.looked_back_at; virt += v.elapsed.as_secs_f64();
                if let Some(f) = v.findings.first() { rules.entry(f.rule.clone()).or_default().push(explored.seed); } }
            Err(e) => { rules.entry(format!("HARNESS {e}").chars().take(90).collect()).or_default().push(explored.seed); }
        }
        if bad_parse > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let wall = start.elapsed().as_secs_f64();
    println!("{n} seeds in {wall:.1} s = {:.0}/s; {} records each; {:.0} virtual s each", n as f64 / wall, records / n as usize, virt / n as f64);
    for (rule, seeds) in rules { println!("{:5} {rule}: {:?}", seeds.len(), &seeds[..seeds.len().min(12)]); }
}
