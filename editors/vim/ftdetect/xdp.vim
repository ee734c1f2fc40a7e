" Which files hold packet rules.
autocmd BufRead,BufNewFile *.xdp setfiletype xdp
