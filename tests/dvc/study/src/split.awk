NR % every { print > "prepared/train.txt"; next }
{ print > "prepared/test.txt" }
