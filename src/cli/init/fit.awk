# Gradient descent for y = slope * x + offset, from a random slope. Writes the line, and the loss of each step to `losses`.
{ x[NR] = $1; y[NR] = $2 }
END {
    srand(seed)
    slope = 4 * rand() - 2
    offset = 0
    print "step,loss" > losses
    for (step = 1; step <= steps; step++) {
        loss = by_slope = by_offset = 0
        for (i = 1; i <= NR; i++) {
            error = slope * x[i] + offset - y[i]
            loss += error * error / NR
            by_slope += 2 * error * x[i] / NR
            by_offset += 2 * error / NR
        }
        slope -= rate * by_slope
        offset -= rate * by_offset
        printf "%d,%.6f\n", step, loss > losses
    }
    printf "%.6f,%.6f\n", slope, offset
}
