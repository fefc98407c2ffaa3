// core and nn are for machines without MPI, too: neither they nor their tests may find its headers.
#if __has_include(<mpi.h>)
#error "the flags of core, nn or their tests lead to MPI's headers"
#endif
