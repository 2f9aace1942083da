# The mean squared error of a line (the first file: slope,offset) on points (the second: x,y), as JSON.
NR == 1 { slope = $1; offset = $2; next }
{ error = slope * $1 + offset - $2; sum += error * error; n++ }
END { printf "{\"loss\": %.6f, \"slope\": %.6f, \"offset\": %.6f}\n", sum / n, slope, offset }
