# gnuplot fan.gp: fan.svg from fan.tsv
set terminal svg size 640,400 font "sans,12"
set output "fan.svg"
set title "One channel: deliveries against its members"
set xlabel "members"
set ylabel "million deliveries per second"
set logscale x
set yrange [0:]
set grid
set key left top
plot "fan.tsv" using 1:($2/1e6) with linespoints title "per second", \
     "fan.tsv" using 1:($3/1e6) with linespoints title "per second of the relay's processor"
