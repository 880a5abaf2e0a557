//! The README's first command.

use crate::process::binary;

#[tokio::test]
async fn the_demo_answers_what_it_may_and_refuses_the_rest() {
    // Nobody's database is written to: this one does not even answer.
    let output = binary()
        .arg("demo")
        .env("DATACOVEY_DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")
        .output()
        .await
        .unwrap();
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{screen}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );

    // The figures are those of plain SQL over the raw files.
    let rows: Vec<Vec<_>> = screen
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(rows.iter().any(|row| row == &["3322"]), "the overlap\n{screen}");
    let boeing = rows
        .iter()
        .find(|row| row.first() == Some(&"BOEING"))
        .expect(&screen);
    assert_eq!(boeing[1..], ["82912", "11.69"]);
    assert!(
        rows.iter().any(|row| row == &["2012", "95"]),
        "planes of 2012\n{screen}"
    );

    // Fewer than 25 planes: absent. `CESSNA` has 9, 1985 has 23.
    assert!(
        !rows
            .iter()
            .any(|row| matches!(row.first(), Some(&("CESSNA" | "1985")))),
        "{screen}"
    );
    assert_eq!(screen.matches("✗ refused").count(), 5, "{screen}");
    assert!(screen.contains("3322 rows"), "the export\n{screen}");
}
