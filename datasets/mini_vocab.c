/* The mini language's WordPiece list: special tokens, punctuation, endings, function words, then the words of
 * mini_words.c. tests/datasets/test_mini.c checks that the two agree. */
#include "datasets/mini.h"

const char mini_vocab_text[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n.\n,\n##s\n##ed\n##d\nthe\na\nan\nthis\nthat\nevery\neach\nsome\nthese\n"
    "those\ntwo\nmany\nfew\nand\nbut\nby\nnot\ndid\ndo\ndoes\nwas\nwere\nis\nare\nhimself\nherself\nitself\n"
    "themselves\ni\nwe\nthey\neveryone\nfound\nfind\nvery\nreally\nextremely\nslightly\nsomewhat\nfairly\n"
    "person\npeople\nman\nmen\nwoman\nwomen\nboy\nlad\ngirl\nking\nqueen\nchild\nkid\nchildren\ndoctor\n"
    "physician\nlawyer\nattorney\nrobber\nburglar\nteacher\ntutor\nfarmer\nsoldier\nsinger\nvocalist\npilot\n"
    "animal\ncreature\ndog\nhound\ncat\nhorse\nrabbit\nhare\nbear\nbird\ngoat\nfrog\ntoad\nfruit\napple\npear\n"
    "lemon\nbanana\nmelon\nvehicle\ncar\nautomobile\ntruck\nbicycle\nbike\nboat\nship\ntrain\ntoy\nball\ndoll\n"
    "kite\nrobot\npuzzle\ninstrument\nguitar\npiano\nviolin\nfiddle\ndrum\nflute\ntool\nhammer\nladder\nshovel\n"
    "spade\nbucket\npail\nlamp\nlantern\nrope\ncord\nchase\npursue\nfollow\ntrail\nhelp\nassist\ngreet\nwelcome\n"
    "admire\nrespect\nscare\nfrighten\nvisit\nignore\ntaste\nsample\npick\npluck\npeel\ncook\norder\nrequest\n"
    "repair\nmend\nrent\nhire\nsteer\nstart\nload\ncollect\ngather\nkick\nroll\nborrow\nshare\nlearn\nmaster\n"
    "play\ntune\nrecord\nlift\nraise\nneed\nrequire\nclean\npaint\nreturn\nwalk\nstroll\njump\nleap\nlaugh\n"
    "chuckle\nshout\nyell\nwhisper\nmurmur\nwait\nlinger\nwork\nlabor\ndance\nrest\nlisten\nbig\nlarge\nsmall\n"
    "little\nold\nancient\nnew\nred\nblue\ngreen\nwhite\nblack\nheavy\nweighty\nlight\ncheap\ncostly\nexpensive\n"
    "happy\nglad\nsad\ngloomy\nangry\nfurious\nlazy\nidle\nbusy\ntired\nweary\npark\ngarden\nhouse\nhome\n"
    "school\nstreet\nroad\nforest\nwood\nmarket\nshop\nstore\nriver\nstream\nhill\nkitchen\nbarn\nstation\n"
    "castle\nin\nnear\nbeside\nbehind\nquickly\nrapidly\nslowly\nquietly\nsilently\nloudly\nnoisily\ncarefully\n"
    "carelessly\nyesterday\nlast\nweek\nnight\nnow\ncurrently\nday\ndaily\nfilm\nsong\nstory\nmeal\nhotel\n"
    "actor\nplot\nservice\nconcert\nbook\nstaff\nending\nspeech\nflight\ntour\nmuseum\ngood\nnice\npleasant\n"
    "lovely\ncharming\ndecent\ngreat\nwonderful\nsuperb\nbrilliant\nexcellent\namazing\nbad\npoor\ndull\nweak\n"
    "boring\nclumsy\nawful\nterrible\ndreadful\nhorrible\nhopeless\ndisgusting\nlike\nenjoy\nlove\nadore\n"
    "dislike\nresent\nhate\ndespise\n";
