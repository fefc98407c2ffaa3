/* Preloaded into lockstep (LD_PRELOAD), makes one call of one rank to MPI fail, end the job or never come, and counts the calls.
 *
 *   FAULT_RANK        the rank that is hit
 *   FAULT_AT          which of its calls to the functions below, counted from 1
 *   FAULT_MODE        error: returns an error without a call · abort: MPI_Abort · stop: SIGSTOP
 *   FAULT_COUNT_FILE  gets the number of calls that this rank made, at its end
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { abort_status = 9 };
static int calls;

static int number(const char* name) {
  const char* text = getenv(name);
  return text == NULL ? -1 : atoi(text);
}

static int is_hit(MPI_Comm comm) {
  const char* rank = getenv("OMPI_COMM_WORLD_RANK");
  if (rank == NULL || atoi(rank) != number("FAULT_RANK")) return 0;
  if (++calls != number("FAULT_AT")) return 0;
  const char* mode = getenv("FAULT_MODE");
  if (mode != NULL && strcmp(mode, "abort") == 0) PMPI_Abort(comm, abort_status);
  if (mode != NULL && strcmp(mode, "stop") == 0) raise(SIGSTOP);
  return mode != NULL && strcmp(mode, "error") == 0;
}

#define MPI_FUNCTION(name, parameters, arguments)         \
  int MPI_##name parameters {                             \
    return is_hit(comm) ? MPI_ERR_OTHER : PMPI_##name arguments; \
  }

MPI_FUNCTION(Allreduce, (const void* in, void* out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
             (in, out, count, type, op, comm))
MPI_FUNCTION(Bcast, (void* data, int count, MPI_Datatype type, int root, MPI_Comm comm), (data, count, type, root, comm))
MPI_FUNCTION(Allgather, (const void* in, int in_count, MPI_Datatype in_type, void* out, int out_count, MPI_Datatype out_type,
                         MPI_Comm comm),
             (in, in_count, in_type, out, out_count, out_type, comm))
MPI_FUNCTION(Allgatherv, (const void* in, int in_count, MPI_Datatype in_type, void* out, const int* out_counts,
                          const int* places, MPI_Datatype out_type, MPI_Comm comm),
             (in, in_count, in_type, out, out_counts, places, out_type, comm))
MPI_FUNCTION(Alltoallv, (const void* in, const int* in_counts, const int* in_places, MPI_Datatype in_type, void* out,
                         const int* out_counts, const int* out_places, MPI_Datatype out_type, MPI_Comm comm),
             (in, in_counts, in_places, in_type, out, out_counts, out_places, out_type, comm))
MPI_FUNCTION(Gatherv, (const void* in, int in_count, MPI_Datatype in_type, void* out, const int* out_counts,
                       const int* places, MPI_Datatype out_type, int root, MPI_Comm comm),
             (in, in_count, in_type, out, out_counts, places, out_type, root, comm))
MPI_FUNCTION(Scatterv, (const void* in, const int* in_counts, const int* places, MPI_Datatype in_type, void* out,
                        int out_count, MPI_Datatype out_type, int root, MPI_Comm comm),
             (in, in_counts, places, in_type, out, out_count, out_type, root, comm))
MPI_FUNCTION(Sendrecv, (const void* in, int in_count, MPI_Datatype in_type, int to, int in_tag, void* out, int out_count,
                        MPI_Datatype out_type, int from, int out_tag, MPI_Comm comm, MPI_Status* status),
             (in, in_count, in_type, to, in_tag, out, out_count, out_type, from, out_tag, comm, status))
MPI_FUNCTION(Barrier, (MPI_Comm comm), (comm))
MPI_FUNCTION(Ibarrier, (MPI_Comm comm, MPI_Request* request), (comm, request))
MPI_FUNCTION(Comm_split, (MPI_Comm comm, int color, int key, MPI_Comm* made), (comm, color, key, made))

__attribute__((destructor)) static void tell_calls(void) {
  const char* rank = getenv("OMPI_COMM_WORLD_RANK");
  const char* path = getenv("FAULT_COUNT_FILE");
  if (path == NULL || rank == NULL || atoi(rank) != number("FAULT_RANK")) return;
  FILE* file = fopen(path, "w");
  if (file == NULL) return;
  fprintf(file, "%d\n", calls);
  fclose(file);
}
