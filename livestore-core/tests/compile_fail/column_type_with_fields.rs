use livestore_core::ColumnType;

#[derive(ColumnType)]
enum Shape {
    Circle(f64),
}

#[derive(ColumnType)]
struct Point {
    x: f64,
    y: f64,
}

fn main() {}
