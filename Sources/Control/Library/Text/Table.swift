/// Lines of cells, the columns aligned to the left.
package struct Table {
    private var rows: [[String]] = []

    package init() {}

    package mutating func add(_ cells: String...) { rows.append(cells) }

    package var text: String {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell.padded(to: widths[column])
            }.joined(separator: "  ") + "\n"
        }.joined()
    }
}

extension String {
    /// Spaces after it, up to `width` characters.
    package func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    /// Spaces before it, up to `width` characters.
    package func aligned(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
