//! How much memory `stream-rows` needs, in a process in which nothing else runs.

use std::process::Command;

use timing::report::Variant;

fn kib(variant: &Variant) -> i64 {
    variant.count("memory KiB").whole()
}

async fn measured(rows: &str) -> Option<Vec<Variant>> {
    scratch_postgres::for_test().await?;
    let mut program = Command::new(env!("CARGO_BIN_EXE_ch08-databases"));
    let program = program.args(["stream-rows", "--rows", rows]);
    Some(chapter::measured(program.env_remove("DATABASE_URL")).variants)
}

#[tokio::test]
async fn all_rows_take_ten_times_the_memory_of_a_stream_and_it_grows_with_their_number() {
    let Some(few) = measured("10000").await else {
        return;
    };
    let many = measured("50000").await.unwrap();
    let ([all, ways @ ..], [fewer, with_fewer @ ..]) = (&many[..], &few[..]) else {
        panic!("four ways");
    };
    assert!(kib(all) > 3 * kib(fewer));
    assert_eq!((ways.len(), with_fewer.len()), (3, 3));
    for (way, before) in ways.iter().zip(with_fewer) {
        assert!(kib(all) > 10 * kib(way), "{} {}", way.label, kib(way));
        assert!(kib(way) < kib(before) + 64, "{} grows", way.label);
    }
}
