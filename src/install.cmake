# cmake --install: bin/lockstep, the headers, and find_package(lockstep).
