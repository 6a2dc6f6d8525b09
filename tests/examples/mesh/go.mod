module example.com/mesh

go 1.24.0
