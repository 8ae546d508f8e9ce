# gnuplot idle.gp: idle.svg from idle.tsv
set terminal svg size 640,400 font "sans,12"
set output "idle.svg"
set title "A lone message to 10 members: latency against idle connections"
set xlabel "idle connections"
set ylabel "microseconds"
set yrange [0:]
set grid
set key left top
plot "idle.tsv" using 1:2 with linespoints title "median", \
     "idle.tsv" using 1:3 with linespoints title "99th percentile"
